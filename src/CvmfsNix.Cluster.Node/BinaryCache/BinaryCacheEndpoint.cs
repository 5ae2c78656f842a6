using CvmfsNix.Cluster.Node.Data;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary><c>/nix/FQRN/…</c>: the repository as a binary cache of stock Nix.</summary>
/// <param name="reading">Answers GET and HEAD.</param>
/// <param name="writing">Takes PUT; null on a node that only serves.</param>
/// <param name="uploads">Archives that wait for their narinfo; null on a node that only serves.</param>
internal sealed class BinaryCacheEndpoint(CacheReading reading, CacheWriting? writing = null, NarUploads? uploads = null)
{
    /// <summary>Answers a request.</summary>
    public async Task ServeAsync(HttpContext context, DataPath path)
    {
        ArgumentNullException.ThrowIfNull(context);
        string method = context.Request.Method;
        CacheFile file = CacheFile.Parse(path.Rest);
        if (HttpMethods.IsPut(method) && writing is not null)
        {
            await writing.ReceiveAsync(context, path.Repository, file);
        }
        else if (!HttpMethods.IsGet(method) && !HttpMethods.IsHead(method))
        {
            context.Response.Headers.Allow = writing is null ? "GET, HEAD" : "GET, HEAD, PUT";
            context.Response.Headers.Connection = "close";
            await CacheAnswers.TextAsync(context, StatusCodes.Status405MethodNotAllowed, writing is null ? "This node only serves the cache: push to a core node." : "Only GET, HEAD and PUT here.", "no-store");
        }
        else if (file.Kind == CacheFileKind.Nar && HttpMethods.IsHead(method) && uploads?.Contains(path.Repository, file.Name) == true)
        {
            // A client that is told so does not send the archive again.
            await CacheAnswers.DoneAsync(context);
        }
        else if (!await reading.TryServeAsync(context, path.Repository, file))
        {
            await CacheAnswers.NotFoundAsync(context, "There is no such file in this binary cache.");
        }
    }
}
