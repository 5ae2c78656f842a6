using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// Takes what stock Nix PUTs: archives, narinfos, and files beside them. Whatever can be refused is refused before the body is read: Nix up to 2.28
/// sends no body when it repeats a request whose body was read before, and hangs.
/// </summary>
internal sealed class CacheWriting(
    CacheRepositories repositories,
    CacheAccess access,
    NarReceiver receiver,
    NarUploads uploads,
    NarInfoPublisher publisher,
    DiskHeadroom headroom,
    GatewayLimits limits,
    ILogger<CacheWriting> log) : IDisposable
{
    private const int SmallBodyMax = 4 << 20;
    private const int ListingMax = 256 << 20;
    private const double BytesPerSecondMin = 64;
    private static readonly TimeSpan ComeBack = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim _slots = new(limits.NarsInFlightMax);

    /// <summary>Answers a PUT.</summary>
    public async Task ReceiveAsync(HttpContext context, string repository, CacheFile file)
    {
        ArgumentNullException.ThrowIfNull(context);
        var request = new Request(context);
        try
        {
            string told = await TakeAsync(request, repository, file);
            if (told.Length > 0)
                log.LogInformation("Push to {Repository}: {Told}", repository, told);
            await CacheAnswers.DoneAsync(context, told);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception e)
        {
            NodeError error = IsTooLarge(e) ? new NodeError(NodeCodes.TooLarge, e.Message, file.Name) : IsStall(e)
                ? new NodeError(NodeCodes.UploadStalled, $"The upload brought nothing for {limits.UploadStallMax.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} s and was ended (older Nix sends no body when it repeats a refused upload).", file.Name, "Run the same nix copy again.")
                : ErrorMapping.Describe(e);
            if (error.Code == NodeCodes.Internal)
                log.LogError(e, "Push of {File} to {Repository} failed", file.Name, repository);
            else
                log.LogWarning("Push of {File} to {Repository} refused: {Code} {Message}", file.Name, repository, error.Code, error.Message);
            await CacheAnswers.RefuseAsync(context, error, request.BodyRead);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    private async Task<string> TakeAsync(Request request, string repository, CacheFile file)
    {
        HttpContext context = request.Context;
        if (file.Kind == CacheFileKind.None)
            throw Invalid(context.Request.Path, "There is no such file in a binary cache.");
        if (access.Refusal(repository, AccessControl.CallerOf(context), AccessControl.CredentialOf(context)) is { } refusal)
            throw new NodeException(refusal);
        CacheRepository cache = repositories.Find(repository) ?? throw new NodeException(new NodeError(
            Actors.Hosting.PublishingCodes.UnknownRepository, "There is no such repository here.", repository, $"Create it first: cvmfsnix repo create {repository}."));
        if (!headroom.IsEnough)
            throw new NodeException(ErrorMapping.DiskFull());
        switch (file.Kind)
        {
            case CacheFileKind.Nar:
                await NarAsync(request, cache, file.Name);
                return "";
            case CacheFileKind.NarInfo:
                return await publisher.PublishAsync(cache, file.Name, await TextAsync(request, file), BuilderOf(context), context.RequestAborted);
            case CacheFileKind.CacheInfo:
                CheckInfo(cache, await TextAsync(request, file));
                return "";
            case CacheFileKind.Companion:
                await CompanionFiles.WriteAsync(cache.Store, file.Name, request.Body(CompanionFiles.SizeMax, limits), context.RequestAborted);
                return "";
            default:
                // Listings are made here from what was unpacked; whatever a client says of them is not needed.
                await request.Body(ListingMax, limits).CopyToAsync(Stream.Null, context.RequestAborted);
                return "";
        }
    }

    private async Task NarAsync(Request request, CacheRepository cache, string fileName)
    {
        string repository = cache.Store.Format.Repository;
        NarFileName name = NarFileName.Parse(fileName, out string problem) ?? throw Invalid(fileName, problem);
        long length = request.Context.Request.ContentLength
            ?? throw new NodeException(new NodeError(NodeCodes.InvalidRequest, "The upload does not say how long it is.", fileName));
        if (!headroom.HasRoomFor(length))
            throw new NodeException(new NodeError(NodeCodes.TooLarge, $"The upload has {length} bytes, more than this node has room for.", fileName));
        if (uploads.Contains(repository, fileName))
        {
            await request.Body(null, limits).CopyToAsync(Stream.Null, request.Context.RequestAborted);
            return;
        }

        if (!await _slots.WaitAsync(TimeSpan.Zero))
        {
            throw new NodeException(new NodeError(
                NodeCodes.Overloaded, $"{limits.NarsInFlightMax} archives are being received.", "uploads", "Try again a little later.", ComeBack));
        }

        try
        {
            await uploads.ReserveAsync(length);
            UploadedNar nar = await receiver.ReceiveAsync(cache.Store, name, fileName, request.Body(null, limits), request.Context.RequestAborted);
            await uploads.AddAsync(repository, fileName, nar);
        }
        finally
        {
            _slots.Release();
        }
    }

    private async Task<string> TextAsync(Request request, CacheFile file)
    {
        if (request.Context.Request.ContentLength is > SmallBodyMax)
            throw new NodeException(new NodeError(NodeCodes.TooLarge, $"It has more than {SmallBodyMax} bytes.", file.Name));
        using var reader = new StreamReader(request.Body(SmallBodyMax, limits), Encoding.UTF8);
        return await reader.ReadToEndAsync(request.Context.RequestAborted);
    }

    private static void CheckInfo(CacheRepository cache, string text)
    {
        string directory = cache.Store.Format.StoreDirectory.Value;
        string? said = text.Split('\n').FirstOrDefault(l => l.StartsWith("StoreDir:", StringComparison.Ordinal))?["StoreDir:".Length..].Trim();
        if (said != directory)
            throw Invalid("nix-cache-info", $"The store directory of this cache is {directory}.");
    }

    // Clients of one machine share their turn.
    private static string BuilderOf(HttpContext context) => context.Connection.RemoteIpAddress?.ToString() ?? "nix";

    private static bool IsStall(Exception e) =>
        e is Microsoft.AspNetCore.Http.BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout } || e.InnerException is { } inner && IsStall(inner);

    private static bool IsTooLarge(Exception e) => e is Microsoft.AspNetCore.Http.BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge };

    private static NodeException Invalid(string what, string message) => new(new NodeError(NodeCodes.InvalidRequest, message, what));

    // Asking for the body is what makes the server tell the client to send it.
    private sealed class Request(HttpContext context)
    {
        public HttpContext Context => context;

        public bool BodyRead { get; private set; }

        public Stream Body(long? sizeMax, GatewayLimits limits)
        {
            BodyRead = true;
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = sizeMax;
            context.Features.Get<IHttpMinRequestBodyDataRateFeature>()?.MinDataRate = new MinDataRate(BytesPerSecondMin, limits.UploadStallMax);
            // Decompressors read in their own way.
            context.Features.Get<IHttpBodyControlFeature>()?.AllowSynchronousIO = true;
            return context.Request.Body;
        }
    }
}
