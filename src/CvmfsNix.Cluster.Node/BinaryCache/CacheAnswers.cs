using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Node.Errors;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// Answers in the form that Nix shows to people: one line of text. 4xx is final for Nix and 5xx is repeated, so what the client has to mend is
/// never a 5xx.
/// </summary>
internal static class CacheAnswers
{
    // Caches on the way must not hide for long what is published any moment.
    private const string AbsentCache = "public, max-age=5";

    public static Task NotFoundAsync(HttpContext context, string text) => TextAsync(context, StatusCodes.Status404NotFound, text, AbsentCache);

    public static Task DoneAsync(HttpContext context, string text = "") => TextAsync(context, StatusCodes.Status200OK, text, "no-store");

    public static async Task TextAsync(HttpContext context, int status, string text, string cache)
    {
        byte[] body = Encoding.UTF8.GetBytes(text.Length == 0 ? "" : text.ReplaceLineEndings(" ") + "\n");
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = cache;
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>A file that fits memory: whole, or 304 when the client has it.</summary>
    public static async Task FileAsync(HttpContext context, CachedFile file, string contentType, string cache)
    {
        HttpResponse response = context.Response;
        response.Headers.ETag = file.Tag;
        response.Headers.CacheControl = cache;
        if (Has(context.Request, file.Tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = contentType;
        response.ContentLength = file.Body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await response.Body.WriteAsync(file.Body, context.RequestAborted);
    }

    /// <summary>A refusal. One that comes before the body was read ends the connection, so that nobody waits for the body.</summary>
    public static Task RefuseAsync(HttpContext context, NodeError error, bool bodyRead)
    {
        if (error.RetryAfter is { } retryAfter)
            context.Response.Headers.RetryAfter = ((long)Math.Ceiling(retryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        if (error.Code == NodeCodes.Unauthorized)
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"cvmfsnix\"";
        if (!bodyRead)
            context.Response.Headers.Connection = "close";
        string what = error.What.Length > 0 && !error.Message.Contains(error.What, StringComparison.Ordinal) ? $" [{error.What}]" : "";
        string hint = error.Hint is { Length: > 0 } h ? " " + h : "";
        return TextAsync(context, StatusOf(error.Code), $"{error.Code}: {error.Message}{what}{hint}", "no-store");
    }

    public static bool Has(HttpRequest request, string tag)
    {
        string asked = request.Headers.IfNoneMatch.ToString();
        return asked.Length > 0 && (asked == "*" || asked.Contains(tag, StringComparison.Ordinal));
    }

    // A full disk and an outcome that is not known yet are for a later attempt too.
    private static int StatusOf(string code) => ErrorMapping.HttpStatus(code) switch
    {
        StatusCodes.Status507InsufficientStorage or StatusCodes.Status504GatewayTimeout => StatusCodes.Status503ServiceUnavailable,
        var status => status,
    };
}
