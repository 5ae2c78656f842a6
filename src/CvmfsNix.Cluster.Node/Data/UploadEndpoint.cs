using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// <c>POST /upload/FQRN/TRANSACTION</c>: one object pack as the body. Whatever can be refused is refused before the body is read; packs
/// received at the same time are bounded, and beyond that a builder is told when to come back.
/// </summary>
public sealed class UploadEndpoint(
    GatewaySessions sessions, DiskHeadroom headroom, GatewayLimits limits, ILogger<UploadEndpoint> log) : IDisposable
{
    private static readonly TimeSpan ComeBack = TimeSpan.FromSeconds(1);

    // Long links are slow to start; only a connection that carries nearly nothing for a minute is given up.
    private static readonly MinDataRate RateMin = new(bytesPerSecond: 64, gracePeriod: TimeSpan.FromMinutes(1));
    private readonly SemaphoreSlim _slots = new(limits.PacksInFlightMax);

    /// <summary>Answers a request for an upload path.</summary>
    public async Task ReceiveAsync(HttpContext context, DataPath path)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!HttpMethods.IsPost(context.Request.Method))
        {
            context.Response.Headers.Allow = "POST";
            await AnswerAsync(context, StatusCodes.Status405MethodNotAllowed, Error(new NodeError(NodeCodes.InvalidRequest, "Object packs are posted.", context.Request.Method)));
            return;
        }

        try
        {
            ReceivedPack pack = await ReceivePackAsync(context, path);
            await AnswerAsync(context, StatusCodes.Status200OK, new JsonObject { ["objects"] = pack.Objects, ["storedBytes"] = pack.StoredBytes });
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException e)
        {
            await RefuseAsync(context, new NodeError(NodeCodes.InvalidPack, $"The body ended before its time: {e.Message}", path.Rest, "Send the objects again."));
        }
        catch (Exception e)
        {
            NodeError error = ErrorMapping.Describe(e);
            if (error.Code == NodeCodes.Internal)
                log.LogError(e, "Upload to {Repository} for {Transaction} failed", path.Repository, path.Rest);
            await RefuseAsync(context, error);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    private async Task<ReceivedPack> ReceivePackAsync(HttpContext context, DataPath path)
    {
        AccessControl.CallerOf(context).Require(new Need(NeedKind.Publish, path.Repository));
        TransactionId id = Requests.Transaction(path.Rest);
        await using SessionUse use = sessions.Get(path.Repository, id);
        if (use.Session.Bundle is not null)
            throw new NodeException(GatewaySessions.NotOpen(id));
        if (!headroom.IsEnough)
            throw new NodeException(ErrorMapping.DiskFull());
        if (!await _slots.WaitAsync(TimeSpan.Zero))
        {
            throw new NodeException(new NodeError(
                NodeCodes.Overloaded, $"{limits.PacksInFlightMax} object packs are being received.", "uploads", "Send this pack again a little later.", ComeBack));
        }

        try
        {
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = null;
            context.Features.Get<IHttpMinRequestBodyDataRateFeature>()?.MinDataRate = RateMin;
            return await use.Session.Staging.ReceivePackAsync(context.Request.Body, context.RequestAborted);
        }
        finally
        {
            _slots.Release();
        }
    }

    private static Task RefuseAsync(HttpContext context, NodeError error)
    {
        if (error.RetryAfter is { } retryAfter)
            context.Response.Headers.RetryAfter = ((long)Math.Ceiling(retryAfter.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (error.Code == NodeCodes.Unauthorized)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        return AnswerAsync(context, ErrorMapping.HttpStatus(error.Code), Error(error));
    }

    private static JsonObject Error(NodeError error)
    {
        var body = new JsonObject { ["code"] = error.Code, ["message"] = error.Message, ["what"] = error.What, ["hint"] = error.Hint ?? "" };
        if (error.RetryAfter is not null)
            body["retryAfterMs"] = error.RetryAfterMilliseconds;
        return new JsonObject { ["error"] = body };
    }

    private static async Task AnswerAsync(HttpContext context, int status, JsonObject body)
    {
        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(body);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = bytes.Length;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
