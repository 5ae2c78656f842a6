using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using CvmfsNix.Cluster.Cli.Output;
using Grpc.Core;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>Sends object packs to a node's data port. Thread-safe.</summary>
internal sealed class PackUpload : IDisposable
{
    // A pack has a few megabytes. The limit finds out a node that takes nothing more, without hurting slow links.
    private static readonly TimeSpan PackTime = TimeSpan.FromMinutes(10);

    private const int ErrorBytesMax = 64 * 1024;

    private readonly HttpClient _client;

    public PackUpload(string? token)
    {
        _client = new HttpClient(new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            AllowAutoRedirect = false,
        })
        {
            Timeout = PackTime,
            MaxResponseContentBufferSize = ErrorBytesMax,
        };
        if (token is not null)
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Returns when the node has stored the pack for good.</summary>
    /// <exception cref="CliException">It was refused, or the connection broke.</exception>
    public async Task SendAsync(Uri url, Func<Stream, CancellationToken, Task> writePack, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new StreamedContent(writePack) };
        try
        {
            using HttpResponseMessage response = await _client.SendAsync(request, cancellationToken);
            if (!response.IsSuccessStatusCode)
                throw Refused(url, response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }
        catch (Exception e) when (Control.RpcFailure.IsBrokenConnection(e) || e is TimeoutException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Exception cause = e;
            while (cause.InnerException is { } inner)
                cause = inner;

            // A fault of our own side (a file that changed while it was sent) comes wrapped; it must not look like a network fault.
            if (cause is not (System.Net.Sockets.SocketException or IOException or TimeoutException or HttpRequestException or OperationCanceledException)
                || cause is Nix.Files.FileChangedException or Nix.Files.DiskAccessException)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(cause);
            throw new CliException("Unreachable", $"The connection to {url.Authority} broke: {cause.Message}", url.ToString(), "check that the node runs", CommandLine.ExitCode.Unknown, e)
            {
                Transient = true,
                Unreachable = true,
            };
        }
    }

    public void Dispose() => _client.Dispose();

    private static CliException Refused(Uri url, HttpStatusCode status, string body)
    {
        ErrorBodyJson? error = ReadError(body);
        bool transient = status is HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout or HttpStatusCode.BadGateway
            or HttpStatusCode.TooManyRequests or HttpStatusCode.InsufficientStorage;
        StatusCode rpc = status switch
        {
            HttpStatusCode.Unauthorized => StatusCode.Unauthenticated,
            HttpStatusCode.Forbidden => StatusCode.PermissionDenied,
            _ when transient => StatusCode.Unavailable,
            >= HttpStatusCode.InternalServerError => StatusCode.Internal,
            _ => StatusCode.FailedPrecondition,
        };
        string code = error?.Code ?? rpc switch
        {
            StatusCode.Unauthenticated => "Unauthorized",
            StatusCode.PermissionDenied => "Forbidden",
            _ => $"Http{(int)status}",
        };
        return new CliException(
            code,
            error?.Message ?? $"{url.Authority} answered {(int)status} to an object pack.",
            error?.What ?? url.ToString(),
            error?.Hint ?? "see the log of the node",
            Control.RpcFailure.ExitCodeOf(code, rpc))
        {
            Transient = transient,
            RetryAfter = error?.RetryAfterMs is > 0 and { } wait ? TimeSpan.FromMilliseconds(wait) : null,
        };
    }

    private static ErrorBodyJson? ReadError(string body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, JsonShapes.Plain.ErrorJson)?.Error;
        }
        catch (JsonException)
        {
            // A proxy's page; the status has to do.
            return null;
        }
    }

    private sealed class StreamedContent : HttpContent
    {
        private readonly Func<Stream, CancellationToken, Task> _write;

        public StreamedContent(Func<Stream, CancellationToken, Task> write)
        {
            _write = write;
            Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => _write(stream, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            _write(stream, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
