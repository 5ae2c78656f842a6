using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Cvmfs.Objects;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// Serves <c>/cvmfs/…</c> to stock clients and mirrors straight from the repository folders. It needs nothing but these folders, so
/// whatever happens to the cluster, readers are answered. Answers carry no validators and are never encoded: the client checks hashes.
/// </summary>
/// <param name="root">The folder that holds one folder per repository.</param>
/// <param name="sender">Sends the files.</param>
/// <param name="geo">Answers the question which server is nearest.</param>
/// <param name="bring">Tries to bring an object here that is not; null = there is nowhere to bring it from.</param>
/// <param name="replicas">Whether its repositories are copies of another server's.</param>
public sealed class RepositoryFolders(
    string root, FileSender sender, GeoAnswer geo, Func<string, ObjectName, CancellationToken, Task<bool>>? bring = null, bool replicas = false)
{
    // One second more than the shortest time Squid caches at all by default.
    private static readonly TimeSpan ChangingFor = TimeSpan.FromSeconds(61);
    private static readonly TimeSpan ObjectsFor = TimeSpan.FromDays(3);
    private static readonly TimeSpan AbsentFor = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan GeoFor = TimeSpan.FromHours(1);
    private static readonly TimeSpan GeoRefusedFor = TimeSpan.FromMinutes(5);

    /// <summary>Answers a request for anything but an upload.</summary>
    public async Task ServeAsync(HttpContext context, DataPath path)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            await TextAsync(context, StatusCodes.Status405MethodNotAllowed, "Only GET and HEAD here.\n", TimeSpan.Zero);
            return;
        }

        bool found = path.Kind switch
        {
            DataPathKind.NamedFile => await sender.TrySendAsync(context, Path.Combine(root, path.Repository, path.Rest), ContentTypeOf(path.Rest), ChangingFor),
            DataPathKind.Object => await ObjectAsync(context, path),
            DataPathKind.Geo => await GeoAsync(context, path),
            DataPathKind.RepositoryList => await ListAsync(context),
            _ => false,
        };
        if (!found)
            await TextAsync(context, StatusCodes.Status404NotFound, "Not found.\n", AbsentFor);
    }

    private async Task<bool> ObjectAsync(HttpContext context, DataPath path)
    {
        string file = Path.Combine(root, path.Repository, path.Rest);
        if (await sender.TrySendObjectAsync(context, file, ObjectsFor))
            return true;
        return bring is not null
            && ObjectName.TryParsePath(path.Rest, out ObjectName name)
            && await bring(path.Repository, name, context.RequestAborted)
            && await sender.TrySendObjectAsync(context, file, ObjectsFor);
    }

    private static string ContentTypeOf(string name) =>
        name.EndsWith(".json", StringComparison.Ordinal) ? "application/json" : "application/x-cvmfs";

    private async Task<bool> GeoAsync(HttpContext context, DataPath path)
    {
        if (await geo.ForAsync(path.Caller, path.Rest, Addresses(context), context.RequestAborted) is { } answer)
            await TextAsync(context, StatusCodes.Status200OK, answer, GeoFor);
        else
            await TextAsync(context, StatusCodes.Status400BadRequest, "Expected host names separated by commas, one of them known here.\n", GeoRefusedFor);
        return true;
    }

    // Behind a proxy the peer is the proxy: what it says of the client goes first. A wrong word costs a client nothing but a better order.
    private static List<IPAddress> Addresses(HttpContext context)
    {
        string[] told = [context.Request.Headers["CF-Connecting-IP"].ToString(), context.Request.Headers["X-Forwarded-For"].ToString().Split(',')[^1]];
        var addresses = new List<IPAddress>();
        foreach (string text in told)
        {
            if (IPAddress.TryParse(text.Trim(), out IPAddress? address))
                addresses.Add(address);
        }

        if (context.Connection.RemoteIpAddress is { } peer)
            addresses.Add(peer);
        return addresses;
    }

    private async Task<bool> ListAsync(HttpContext context)
    {
        var repositories = new JsonArray();
        if (Directory.Exists(root))
        {
            foreach (string fqrn in Directory.EnumerateDirectories(root).Select(d => Path.GetFileName(d)).Where(RepositoryName.IsValid).Order(StringComparer.Ordinal))
            {
                if (File.Exists(Path.Combine(root, fqrn, ".cvmfspublished")))
                    repositories.Add(new JsonObject { ["name"] = fqrn, ["url"] = "/cvmfs/" + fqrn });
            }
        }

        var document = new JsonObject
        {
            ["schema"] = 1,
            ["repositories"] = replicas ? new JsonArray() : repositories,
            ["replicas"] = replicas ? repositories : new JsonArray(),
        };
        await BytesAsync(context, StatusCodes.Status200OK, "application/json", JsonSerializer.SerializeToUtf8Bytes(document), ChangingFor);
        return true;
    }

    private static Task TextAsync(HttpContext context, int status, string text, TimeSpan cacheFor) =>
        BytesAsync(context, status, "text/plain", System.Text.Encoding.ASCII.GetBytes(text), cacheFor);

    private static async Task BytesAsync(HttpContext context, int status, string contentType, byte[] body, TimeSpan cacheFor)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = body.Length;
        FileSender.CacheFor(context.Response, cacheFor);
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
