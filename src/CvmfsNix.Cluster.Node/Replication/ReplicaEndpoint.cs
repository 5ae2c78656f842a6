using System.Collections.Concurrent;
using System.Text;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Replication;

/// <summary>
/// Hands out packs to replicas: <c>POST /replica/FQRN/fetch[?wait=MS]</c>, names in (see <see cref="FetchQuestion"/>), an item pack of those that
/// are here out. All of it is public content, so nobody is turned away; what one request may ask for and how many are answered at a
/// time is bounded. Who comes beyond it waits, and beyond that is told to come back.
/// </summary>
public sealed class ReplicaEndpoint(IReplicaStores stores, TimeProvider clock, ILogger<ReplicaEndpoint> log) : IDisposable
{
    /// <summary>What is asked of a repository.</summary>
    public const string Fetch = "fetch";

    private const int PacksAtOnce = 64;
    private const int WaitingMax = 512;

    // For what a sibling is just fetching; looked for so often.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(5);

    // A replica on a long link, or with a disk that stalls, is slow for a while; one that takes nearly nothing for longer is given up.
    private static readonly MinDataRate RateMin = new(bytesPerSecond: 64, gracePeriod: TimeSpan.FromSeconds(30));

    private readonly SemaphoreSlim _packs = new(PacksAtOnce);
    private readonly ConcurrentDictionary<string, (RepositoryStore Store, PatchCache Patches)> _patches = new(StringComparer.Ordinal);
    private int _present;

    /// <summary>Answers a request below <c>/replica/</c>.</summary>
    public async Task ServeAsync(HttpContext context, DataPath path)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Response.Headers.CacheControl = "no-store";
        if (path.Rest != Fetch)
        {
            await TextAsync(context, StatusCodes.Status404NotFound, "Not found.\n");
            return;
        }

        if (!HttpMethods.IsPost(context.Request.Method))
        {
            context.Response.Headers.Allow = HttpMethods.Post;
            await TextAsync(context, StatusCodes.Status405MethodNotAllowed, "Names are sent by POST.\n");
            return;
        }

        if (stores.Find(path.Repository) is not { } store)
        {
            await BusyAsync(context, $"The repository {path.Repository} is not open here yet.\n");
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _present) > WaitingMax)
                await BusyAsync(context, "This node hands out too many packs already.\n");
            else
                await GiveAsync(context, store);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception e) when (e is InvalidDataException or Microsoft.AspNetCore.Http.BadHttpRequestException && !context.Response.HasStarted)
        {
            await TextAsync(context, StatusCodes.Status400BadRequest, e.Message + "\n");
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            log.LogError(e, "The store of {Repository} could not serve a replica", path.Repository);
            // In the middle of an answer only a broken connection tells that it is not whole.
            if (context.Response.HasStarted)
                context.Abort();
            else
                await TextAsync(context, StatusCodes.Status500InternalServerError, "The store cannot be read.\n");
        }
        finally
        {
            Interlocked.Decrement(ref _present);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _packs.Dispose();
        foreach ((_, PatchCache patches) in _patches.Values)
            patches.Dispose();
    }

    private async Task GiveAsync(HttpContext context, RepositoryStore store)
    {
        CancellationToken ct = context.RequestAborted;
        context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = FetchQuestion.BytesMax;
        FetchQuestion question = await FetchQuestion.ReadAsync(context.Request.Body, context.Request.Query[FetchQuestion.WaitParameter], ct);
        // Before a place is taken: who waits reads nothing.
        await WaitForAsync(store, question, ct);
        await _packs.WaitAsync(ct);
        try
        {
            context.Features.Get<IHttpMinResponseDataRateFeature>()?.MinDataRate = RateMin;
            context.Response.ContentType = "application/octet-stream";
            await new StoreTransfer(store).SendAsync(question.Items, PatchesOf(store), context.Response.Body, ct);
        }
        finally
        {
            _packs.Release();
        }
    }

    private async Task WaitForAsync(RepositoryStore store, FetchQuestion question, CancellationToken ct)
    {
        if (question.Wait <= TimeSpan.Zero)
            return;
        var transfer = new StoreTransfer(store);
        long started = clock.GetTimestamp();
        // In order: once one is here, most of the next are.
        foreach (WantedItem wanted in question.Items)
        {
            while (!transfer.Contains(wanted.Item))
            {
                if (clock.GetElapsedTime(started) >= question.Wait)
                    return;
                await Task.Delay(LookEvery, clock, ct);
            }
        }
    }

    private PatchCache PatchesOf(RepositoryStore store)
    {
        // A repository may be closed and opened again; its patches are those of the store that is open.
        return _patches.AddOrUpdate(store.Format.Repository, _ => (store, new PatchCache(store.Objects)), (_, known) => known.Store == store ? known : (store, new PatchCache(store.Objects))).Patches;
    }

    private static Task BusyAsync(HttpContext context, string text)
    {
        context.Response.Headers.RetryAfter = "1";
        return TextAsync(context, StatusCodes.Status503ServiceUnavailable, text);
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
