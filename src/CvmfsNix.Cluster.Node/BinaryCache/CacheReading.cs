using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Store.Archives;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// Answers what stock Nix asks of a binary cache: which paths there are, and their archives. Needs nothing but the store of this node, so readers
/// are answered whatever happens to the cluster. Never encodes an answer that was not asked for so.
/// </summary>
internal sealed class CacheReading(CacheRepositories repositories, FileSender files, ILogger<CacheReading> log)
{
    private const string NarInfoType = "text/x-nix-narinfo";
    private const string NarType = "application/x-nix-nar";

    // A narinfo may get more signatures; an archive's name says all of its content.
    private const string NarInfoCache = "public, max-age=300";
    private const string ForEver = "public, max-age=31536000, immutable";
    private static readonly TimeSpan CompanionsFor = TimeSpan.FromMinutes(5);
    private const string InfoCache = "public, max-age=3600";

    /// <summary>Answers GET and HEAD.</summary>
    /// <returns>False when there is no such file; nothing has been answered then.</returns>
    public async Task<bool> TryServeAsync(HttpContext context, string repository, CacheFile file)
    {
        if (repositories.Find(repository) is not { } cache)
            return false;
        switch (file.Kind)
        {
            case CacheFileKind.CacheInfo:
                await CacheAnswers.FileAsync(context, cache.Info(), "text/x-nix-cache-info", InfoCache);
                return true;
            case CacheFileKind.NarInfo when cache.FindNarInfo(file.Name, file.Zstd) is { } narInfo:
                await CacheAnswers.FileAsync(context, narInfo, NarInfoType, NarInfoCache);
                return true;
            case CacheFileKind.Listing when cache.Find(file.Name) is { } path && await ArchiveAsync(cache, path, context.RequestAborted) is { } archive:
                await CacheAnswers.FileAsync(context, CachedFile.Of(archive.ToListing().ToArray()), "application/json", ForEver);
                return true;
            case CacheFileKind.Nar when cache.FindByNarName(file.Name, file.Zstd) is { } path:
                await NarAsync(context, cache, path, file);
                return true;
            case CacheFileKind.Companion:
                return await files.TrySendAsync(context, CompanionFiles.FileOf(cache.Store, file.Name), CompanionFiles.ContentTypeOf(file.Name), CompanionsFor);
            default:
                return false;
        }
    }

    private async Task NarAsync(HttpContext context, CacheRepository cache, IndexedPath path, CacheFile file)
    {
        HttpResponse response = context.Response;
        string tag = $"\"{file.Name}\"";
        response.Headers.ETag = tag;
        response.Headers.CacheControl = ForEver;
        if (CacheAnswers.Has(context.Request, tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = NarType;
        bool head = HttpMethods.IsHead(context.Request.Method);
        long size = path.Info.NarSize;
        var range = new ByteRange(ByteRangeOutcome.Whole, 0, size);
        if (!file.Zstd)
        {
            response.Headers.AcceptRanges = "bytes";
            string ifRange = context.Request.Headers.IfRange.ToString();
            if (!head && (ifRange.Length == 0 || ifRange == tag))
                range = ByteRange.Of(context.Request.Headers.Range.ToString(), size);
            if (range.Outcome == ByteRangeOutcome.Unsatisfiable)
            {
                response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
                response.Headers.ContentRange = $"bytes */{size}";
                response.Headers.CacheControl = "no-store";
                response.ContentLength = 0;
                return;
            }

            if (range.Outcome == ByteRangeOutcome.Part)
            {
                response.StatusCode = StatusCodes.Status206PartialContent;
                response.Headers.ContentRange = $"bytes {range.Offset}-{range.Offset + range.Length - 1}/{size}";
            }

            response.ContentLength = range.Length;
        }

        if (head)
            return;
        if (await ArchiveAsync(cache, path, context.RequestAborted) is not { } archive)
        {
            await FailAsync(context, path, "the catalogs that are served do not have the path");
            return;
        }

        await SendAsync(context, path, archive, range, file.Zstd);
    }

    private async Task SendAsync(HttpContext context, IndexedPath path, CommittedArchive archive, ByteRange range, bool zstd)
    {
        try
        {
            if (zstd)
            {
                await using var output = new ZstdOutput(context.Response.Body);
                await archive.WriteAsync(output, 0, archive.Size, context.RequestAborted);
            }
            else
            {
                var output = new ResponseOutput(context.Response.BodyWriter);
                await archive.WriteAsync(output, range.Offset, range.Length, context.RequestAborted);
                await output.FinishAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody reads any more.
            context.Abort();
        }
        catch (Exception e) when (e is IncompleteStoreException or ObjectCorruptException or InvalidDataException or IOException)
        {
            await FailAsync(context, path, e.Message);
        }
    }

    private async Task<CommittedArchive?> ArchiveAsync(CacheRepository cache, IndexedPath path, CancellationToken ct)
    {
        try
        {
            CommittedArchive? archive = await cache.ArchiveAsync(path.Info.Path, ct);
            if (archive is not null && archive.Size != path.Info.NarSize)
            {
                log.LogError("The archive of {Path} has {Size} bytes, it is registered with {Registered}", path.Info.Path, archive.Size, path.Info.NarSize);
                return null;
            }

            return archive;
        }
        catch (Exception e) when (e is IncompleteStoreException or ObjectCorruptException or InvalidDataException or IOException or NarTreeException)
        {
            log.LogError("The tree of {Path} cannot be read: {Problem}", path.Info.Path, e.Message);
            return null;
        }
    }

    // Once bytes are under way only an aborted connection tells the client that there is something wrong; it asks again for the rest.
    private async Task FailAsync(HttpContext context, IndexedPath path, string problem)
    {
        log.LogError("The archive of {Path} cannot be served: {Problem}", path.Info.Path, problem);
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        context.Response.Headers.Clear();
        await CacheAnswers.TextAsync(context, StatusCodes.Status500InternalServerError, $"The archive of {path.Info.Path} cannot be put together here; the node's log says why.", "no-store");
    }
}
