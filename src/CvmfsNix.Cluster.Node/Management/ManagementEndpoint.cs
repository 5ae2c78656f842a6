using System.Text;
using CvmfsNix.Cluster.Node.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>The management port: is the process alive, does the node do what it is for, what does it know.</summary>
public sealed class ManagementEndpoint(INodeState state, IEnumerable<IManagementRoute> routes, ManagementAccess access, ILogger<ManagementEndpoint> log)
{
    private readonly IManagementRoute[] _routes = [.. routes];

    /// <summary>Answers a request.</summary>
    public async Task ServeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (access.Refusal(context) is { } refusal)
        {
            if (refusal.Code == NodeCodes.Unauthorized)
                context.Response.Headers.WWWAuthenticate = ManagementAccess.Challenge;
            await TextAsync(context, ErrorMapping.HttpStatus(refusal.Code), OneLine($"{refusal.Code}: {refusal.Message} {refusal.Hint}"));
            return;
        }

        foreach (IManagementRoute route in _routes)
        {
            if (await route.TryServeAsync(context))
                return;
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            await TextAsync(context, StatusCodes.Status405MethodNotAllowed, "Only GET and HEAD here.");
            return;
        }

        switch (context.Request.Path.Value)
        {
            case "/alive":
                await TextAsync(context, StatusCodes.Status200OK, "alive");
                break;
            case "/ready" when state.IsReady:
                await TextAsync(context, StatusCodes.Status200OK, "ready");
                break;
            case "/ready":
                await TextAsync(context, StatusCodes.Status503ServiceUnavailable, OneLine(state.NotReadyReason));
                break;
            case "/status":
                await StatusAsync(context);
                break;
            default:
                await TextAsync(context, StatusCodes.Status404NotFound, $"Here are /alive, /ready, /status{string.Concat(_routes.Select(r => ", " + r.Paths))}.");
                break;
        }
    }

    private async Task StatusAsync(HttpContext context)
    {
        byte[] body;
        try
        {
            body = await state.StatusAsync(context.RequestAborted);
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            log.LogDebug(e, "Status cannot be told");
            await TextAsync(context, StatusCodes.Status503ServiceUnavailable, OneLine(e.Message));
            return;
        }

        await BytesAsync(context, StatusCodes.Status200OK, "application/json", body);
    }

    private static string OneLine(string text) => text.Length == 0 ? "not ready" : text.ReplaceLineEndings(" ");

    private static Task TextAsync(HttpContext context, int status, string line) =>
        BytesAsync(context, status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(line + "\n"));

    private static async Task BytesAsync(HttpContext context, int status, string contentType, byte[] body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = "no-store";
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
