using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text.Json;
using CvmfsNix.Cluster.Cli.Output;
using Grpc.Core;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>How long a node may keep an upload waiting.</summary>
/// <param name="NextBytes">Until it takes more bytes.</param>
/// <param name="Answer">Until it answers once it has all of them; also until the connection is there.</param>
internal sealed record UploadPatience(TimeSpan NextBytes, TimeSpan Answer);

/// <summary>Sends object packs to a node's data port. Thread-safe.</summary>
internal sealed class PackUpload : IDisposable
{
    // A node that is frozen, or cut off, keeps its connections open and takes nothing more. The limits find it out, however slow the link: one
    // is for the next bytes to be taken, the other for the answer to all of them, before which the node writes the pack to its disk.
    private static readonly UploadPatience Patience = new(TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(45));

    private const int ErrorBytesMax = 64 * 1024;

    private readonly HttpClient _client;
    private readonly UploadPatience _patience;

    public PackUpload(string? token, UploadPatience? patience = null, SslClientAuthenticationOptions? tls = null)
    {
        _patience = patience ?? Patience;
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            AllowAutoRedirect = false,
        };
        if (tls is not null)
            handler.SslOptions = tls;
        _client = new HttpClient(handler)
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = ErrorBytesMax,
        };
        if (token is not null)
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Returns when the node has stored the pack for good.</summary>
    /// <exception cref="CliException">It was refused, or the connection broke.</exception>
    public async Task SendAsync(Uri url, Func<Stream, CancellationToken, Task> writePack, CancellationToken cancellationToken)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bounded.CancelAfter(_patience.Answer);
        using var request = new HttpRequestMessage(HttpMethod.Post, url)
        {
            Content = new StreamedContent(async (connection, token) =>
            {
                await writePack(new WatchedStream(connection, () => bounded.CancelAfter(_patience.NextBytes)), token);
                bounded.CancelAfter(_patience.Answer);
            }),
        };
        try
        {
            using HttpResponseMessage response = await _client.SendAsync(request, bounded.Token);
            if (!response.IsSuccessStatusCode)
                throw Refused(url, response.StatusCode, await response.Content.ReadAsStringAsync(bounded.Token));
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
            string problem = e is OperationCanceledException ? $"{url.Authority} takes no more bytes of an object pack, or does not answer to it." : $"The connection to {url.Authority} broke: {cause.Message}";
            throw new CliException("Unreachable", problem, url.ToString(), "check that the node runs", CommandLine.ExitCode.Unknown, e)
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

    /// <summary>Tells of every write before it waits for the connection.</summary>
    private sealed class WatchedStream(Stream connection, Action writing) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            writing();
            return connection.WriteAsync(buffer, cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override Task FlushAsync(CancellationToken cancellationToken) => connection.FlushAsync(cancellationToken);

        public override void Flush() => throw new NotSupportedException("It goes over the network: write it asynchronously.");

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("It goes over the network: write it asynchronously.");

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
