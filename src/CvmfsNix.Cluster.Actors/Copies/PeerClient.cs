using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using CvmfsNix.Cluster.Model.Copies;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>Talks to other stores, see <see cref="PeerPaths"/>. Every method throws <see cref="PeerException"/> when the peer does not do it. Thread-safe.</summary>
internal sealed class PeerClient : IDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(15);
    private const long BytesPerSecondMin = 1 << 20;

    private readonly HttpClient _http;
    private readonly string _authorization;

    public PeerClient(PeerCredential credential, SslClientAuthenticationOptions? tls = null)
    {
        _authorization = credential.Header;
        var handler = new SocketsHttpHandler { ConnectTimeout = ConnectTimeout, UseProxy = false, AllowAutoRedirect = false, PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1) };
        if (tls is not null)
            handler.SslOptions = tls;
        _http = new HttpClient(handler)
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Those that the store does not have; the others are durable there.</summary>
    public async Task<IReadOnlyList<StoreItem>> HaveAsync(StoreMember peer, string repository, IReadOnlyCollection<StoreItem> items, CancellationToken ct)
    {
        var missing = new List<StoreItem>();
        foreach (var part in items.Chunk(PeerPaths.NamesMax))
        {
            await AskAsync(peer, repository, PeerPaths.Have, HttpMethod.Post, Names(part), AnswerTimeout, async (answer, token) =>
            {
                var text = await answer.ReadAsStringAsync(token).ConfigureAwait(false);
                foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                    missing.Add(StoreItem.TryParse(line, out var item) ? item : throw new PeerException($"The store at {peer.Url} answered with '{line}', which names nothing."));
            }, ct).ConfigureAwait(false);
        }

        return missing;
    }

    /// <summary>Hands items over; on return they are durable there. What the source lacks meanwhile is left out.</summary>
    public Task PushAsync(StoreMember peer, string repository, StoreTransfer source, IReadOnlyList<StoreItem> items, long bytes, CancellationToken ct)
    {
        var timeout = AnswerTimeout + TimeSpan.FromSeconds(bytes / BytesPerSecondMin);
        return AskAsync(peer, repository, PeerPaths.Pack, HttpMethod.Post, new PackContent(source, items), timeout, (_, _) => Task.CompletedTask, ct);
    }

    /// <summary>Takes those of the items that the store has; on return they are durable here.</summary>
    public Task FetchAsync(StoreMember peer, string repository, StoreTransfer target, IReadOnlyList<StoreItem> items, CancellationToken ct) =>
        AskAsync(peer, repository, PeerPaths.Fetch, HttpMethod.Post, Names(items), Timeout.InfiniteTimeSpan, async (answer, token) =>
        {
            var body = await answer.ReadAsStreamAsync(token).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
                await target.ReceiveAsync(new PatientStream(body, AnswerTimeout), token).ConfigureAwait(false);
        }, ct);

    /// <summary>The newest event that the store has applied; 0 = none.</summary>
    public async Task<long> AppliedAsync(StoreMember peer, string repository, CancellationToken ct)
    {
        long applied = 0;
        await AskAsync(peer, repository, PeerPaths.Applied, HttpMethod.Get, null, AnswerTimeout, async (answer, token) =>
        {
            var text = await answer.ReadAsStringAsync(token).ConfigureAwait(false);
            if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out applied))
                throw new PeerException($"The store at {peer.Url} answered with '{text}', which is no sequence number.");
        }, ct).ConfigureAwait(false);
        return applied;
    }

    /// <summary>Fingerprints of the certificates whose keys the peer's node has.</summary>
    public async Task<IReadOnlyList<string>> CertificatesAsync(StoreMember peer, string repository, CancellationToken ct)
    {
        string[] found = [];
        await AskAsync(peer, repository, PeerPaths.Certificates, HttpMethod.Get, null, AnswerTimeout, async (answer, token) =>
            found = (await answer.ReadAsStringAsync(token).ConfigureAwait(false)).Split('\n', StringSplitOptions.RemoveEmptyEntries), ct).ConfigureAwait(false);
        return found;
    }

    public void Dispose() => _http.Dispose();

    private static StringContent Names(IReadOnlyCollection<StoreItem> items) => new(string.Join('\n', items), Encoding.ASCII);

    private async Task AskAsync(
        StoreMember peer, string repository, string what, HttpMethod method, HttpContent? body, TimeSpan timeout, Func<HttpContent, CancellationToken, Task> read, CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        // Answers that are streamed watch over themselves once they have begun.
        bounded.CancelAfter(timeout == Timeout.InfiniteTimeSpan ? AnswerTimeout : timeout);
        using var request = new HttpRequestMessage(method, $"{peer.Url}/peer/{repository}/{what}") { Content = body };
        request.Headers.TryAddWithoutValidation("Authorization", _authorization);
        try
        {
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, bounded.Token).ConfigureAwait(false);
            if (timeout == Timeout.InfiniteTimeSpan)
                bounded.CancelAfter(Timeout.InfiniteTimeSpan);
            if (!answer.IsSuccessStatusCode)
                throw new PeerException($"The store at {peer.Url} refused '{what}' of {repository} with {(int)answer.StatusCode}: {await ReasonAsync(answer, bounded.Token).ConfigureAwait(false)}");
            var id = answer.Headers.TryGetValues(PeerPaths.StoreHeader, out var ids) ? ids.First() : "";
            if (id != peer.Id)
                throw new PeerException($"The store at {peer.Url} is {id} now, not {peer.Id}: it was started anew with another folder.");
            await read(answer.Content, bounded.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException or IOException { InnerException: SocketException } or PackFormatException or InvalidDataException or TimeoutException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            throw new PeerException($"The store at {peer.Url} did not complete '{what}' of {repository}: {e.Message}", e);
        }
    }

    private static async Task<string> ReasonAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        const int Shown = 300;
        if (answer.StatusCode == HttpStatusCode.Unauthorized)
            return "the admin.token in its key folder is not the one here; all core nodes of a cluster share the content of their key folders.";
        var text = (await answer.Content.ReadAsStringAsync(ct).ConfigureAwait(false)).Trim();
        return text.Length > Shown ? text[..Shown] : text;
    }

    private sealed class PackContent(StoreTransfer source, IReadOnlyList<StoreItem> items) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            source.SendAsync(items, stream, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
