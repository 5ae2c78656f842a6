using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Peers;

/// <summary>
/// What other core nodes' stores ask of this one, see <see cref="PeerPaths"/>. Only they are admitted, also where builders need no token; the
/// number of packs taken and given at a time is bounded, and who comes beyond it waits.
/// </summary>
public sealed class PeerEndpoint(PeerStores stores, IStoreSurface surface, DiskHeadroom headroom, ILogger<PeerEndpoint> log) : IDisposable
{
    private const int PacksAtOnce = 16;
    private const int NamesBytesMax = 4 << 20;

    // A peer on a long link, or with a disk that stalls, is slow for a while; one that carries nearly nothing for longer is given up.
    private static readonly MinDataRate RateMin = new(bytesPerSecond: 64, gracePeriod: TimeSpan.FromSeconds(30));
    private readonly SemaphoreSlim _packs = new(PacksAtOnce);

    /// <summary>Answers a request below <c>/peer/</c>.</summary>
    public async Task ServeAsync(HttpContext context, DataPath path)
    {
        ArgumentNullException.ThrowIfNull(context);
        HttpResponse response = context.Response;
        response.Headers.CacheControl = "no-store";
        if (!surface.Credential.Admits(context.Request.Headers.Authorization))
        {
            response.Headers.WWWAuthenticate = "Bearer";
            await TextAsync(context, StatusCodes.Status401Unauthorized, "Only the other nodes of the cluster are admitted here.\n");
            return;
        }

        response.Headers[PeerPaths.StoreHeader] = stores.StoreId;
        try
        {
            await AnswerAsync(context, path);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception e) when (e is PackFormatException or InvalidDataException or Microsoft.AspNetCore.Http.BadHttpRequestException)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (IOException e)
        {
            log.LogError(e, "The store of {Repository} could not serve a peer", path.Repository);
            await RefuseAsync(context, StatusCodes.Status507InsufficientStorage, e.Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _packs.Dispose();

    private async Task AnswerAsync(HttpContext context, DataPath path)
    {
        CancellationToken ct = context.RequestAborted;
        bool post = HttpMethods.IsPost(context.Request.Method);
        if (path.Rest == PeerPaths.Applied && HttpMethods.IsGet(context.Request.Method))
        {
            await TextAsync(context, StatusCodes.Status200OK, stores.Applied(path.Repository).ToString(CultureInfo.InvariantCulture));
            return;
        }

        if (path.Rest == PeerPaths.Certificates && HttpMethods.IsGet(context.Request.Method))
        {
            await TextAsync(context, StatusCodes.Status200OK, string.Concat(stores.Certificates(path.Repository).Select(f => f + "\n")));
            return;
        }

        if (!post || path.Rest is not (PeerPaths.Have or PeerPaths.Pack or PeerPaths.Fetch))
        {
            await TextAsync(context, StatusCodes.Status404NotFound, "Not found.\n");
            return;
        }

        if (stores.Find(path.Repository) is not { } store)
        {
            await TextAsync(context, StatusCodes.Status503ServiceUnavailable, $"The repository {path.Repository} is not open here yet.\n");
            return;
        }

        switch (path.Rest)
        {
            case PeerPaths.Have:
                IReadOnlyList<StoreItem> missing = await new StoreTransfer(store).ConfirmDurableAsync(await NamesAsync(context), ct);
                await TextAsync(context, StatusCodes.Status200OK, string.Concat(missing.Select(i => i + "\n")));
                break;
            case PeerPaths.Pack:
                await TakeAsync(context, store);
                break;
            default:
                await GiveAsync(context, store);
                break;
        }
    }

    private async Task TakeAsync(HttpContext context, RepositoryStore store)
    {
        if (!headroom.IsEnough)
        {
            await TextAsync(context, StatusCodes.Status507InsufficientStorage, "This node's disk has no headroom left.\n");
            return;
        }

        await _packs.WaitAsync(context.RequestAborted);
        try
        {
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = null;
            context.Features.Get<IHttpMinRequestBodyDataRateFeature>()?.MinDataRate = RateMin;
            await new StoreTransfer(store).ReceiveAsync(context.Request.Body, context.RequestAborted);
        }
        finally
        {
            _packs.Release();
        }

        await TextAsync(context, StatusCodes.Status200OK, "");
    }

    private async Task GiveAsync(HttpContext context, RepositoryStore store)
    {
        IReadOnlyCollection<StoreItem> items = await NamesAsync(context);
        await _packs.WaitAsync(context.RequestAborted);
        try
        {
            context.Features.Get<IHttpMinResponseDataRateFeature>()?.MinDataRate = RateMin;
            context.Response.ContentType = "application/octet-stream";
            await new StoreTransfer(store).SendAsync(items, context.Response.Body, context.RequestAborted);
        }
        finally
        {
            _packs.Release();
        }
    }

    private static async Task<IReadOnlyCollection<StoreItem>> NamesAsync(HttpContext context)
    {
        context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = NamesBytesMax;
        using var reader = new StreamReader(context.Request.Body, Encoding.ASCII);
        var items = new HashSet<StoreItem>();
        while (await reader.ReadLineAsync(context.RequestAborted) is { } line)
        {
            if (!StoreItem.TryParse(line, out StoreItem item))
                throw new InvalidDataException($"Line {items.Count + 1} names neither an object nor a record file.");
            if (items.Count == PeerPaths.NamesMax)
                throw new InvalidDataException($"More than {PeerPaths.NamesMax} names are asked for at once.");
            items.Add(item);
        }

        return items;
    }

    private static async Task RefuseAsync(HttpContext context, int status, string problem)
    {
        // In the middle of an answer only a broken connection tells that it is not whole.
        if (context.Response.HasStarted)
            context.Abort();
        else
            await TextAsync(context, status, problem + "\n");
    }

    private static async Task TextAsync(HttpContext context, int status, string text)
    {
        byte[] body = Encoding.UTF8.GetBytes(text);
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
