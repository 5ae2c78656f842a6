using System.Net;
using System.Net.Security;
using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Contracts.Replication;
using Grpc.Core;
using Grpc.Net.Client;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>One stream to one core node, from hello to its end.</summary>
internal sealed class FollowStream : IDisposable
{
    private const uint Protocol = 1;
    private const int MessageSizeMax = 32 << 20;
    private static readonly TimeSpan ConnectMax = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan WelcomeMax = TimeSpan.FromSeconds(10);

    // The other side says something every 5 s.
    private static readonly TimeSpan SilenceMax = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(2);

    private readonly SocketsHttpHandler _handler;
    private readonly GrpcChannel _channel;
    private readonly Metadata _headers = [];
    private readonly IMirrorFeed _feed;
    private readonly TimeProvider _time;
    private readonly Dictionary<string, RepositoryPosition> _told = new(StringComparer.Ordinal);
    private IReadOnlyList<Uri> _core = [];
    private IReadOnlyList<Uri> _siblings = [];
    private HashSet<string> _wanted = [];
    private bool _heardOfAll;

    public FollowStream(Uri url, string? token, IMirrorFeed feed, TimeProvider time, SslClientAuthenticationOptions? tls = null)
    {
        (_feed, _time) = (feed, time);
        _handler = new SocketsHttpHandler
        {
            // A node that is cut off leaves its connections open; only pings find it out.
            KeepAlivePingDelay = TimeSpan.FromSeconds(5),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            ConnectTimeout = ConnectMax,
            AutomaticDecompression = DecompressionMethods.None,
        };
        if (tls is not null)
            _handler.SslOptions = tls;
        _channel = GrpcChannel.ForAddress(url, new GrpcChannelOptions { HttpHandler = _handler, MaxReceiveMessageSize = MessageSizeMax });
        if (token is not null)
            _headers.Add("authorization", "Bearer " + token);
    }

    /// <summary>Follows until the stream ends.</summary>
    /// <param name="parts">What is said at first.</param>
    /// <param name="siblings">Data ports of those it was told of by the last stream: they count until this one tells of others, so that what
    /// was cut off is not fetched by each of them from afar.</param>
    /// <param name="welcomed">Called when the node answered.</param>
    /// <param name="sources">Called with the data ports of core nodes and siblings whenever they change.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>Why it ended, as the end of a sentence.</returns>
    /// <exception cref="RpcException">The node refused, or was lost.</exception>
    public async Task<string> RunAsync(
        ReplicaHelloParts parts, IReadOnlyList<Uri> siblings, Action<Welcome> welcomed, Action<IReadOnlyList<Uri>, IReadOnlyList<Uri>> sources, CancellationToken ct)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(ct, _feed.Resync);
        _wanted = [.. parts.Repositories];
        long seen = await Peek();
        using AsyncDuplexStreamingCall<FromReplica, ToReplica> call = new Contracts.Replication.Replication.ReplicationClient(_channel).Follow(_headers, cancellationToken: ending.Token);
        try
        {
            await call.RequestStream.WriteAsync(new FromReplica { Hello = Hello(parts) }, ending.Token).WaitAsync(ConnectMax + WelcomeMax, _time, ending.Token);
            if (await ReadAsync(call, WelcomeMax, ending.Token) is not { MessageCase: ToReplica.MessageOneofCase.Welcome } first)
                return "the node did not say welcome";
            welcomed(first.Welcome);
            (_core, _siblings) = (UrlsOf(first.Welcome.DataUrls), siblings);
            sources(_core, _siblings);
            Task telling = TellAsync(call, seen, ending.Token);
            try
            {
                while (await ReadAsync(call, SilenceMax, ending.Token) is { } message)
                    await TakeAsync(message, sources, ending.Token);
                return "the node ended the stream";
            }
            finally
            {
                await ending.CancelAsync();
                await telling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        catch (Exception e) when (ending.IsCancellationRequested && !ct.IsCancellationRequested && e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled })
        {
            ct.ThrowIfCancellationRequested();
            return "events were lost here, it begins again";
        }
        catch (TimeoutException)
        {
            return $"the node was silent for {SilenceMax.TotalSeconds:0} s";
        }

        async Task<long> Peek() => await _feed.ChangedAsync(-1, ct);
    }

    public void Dispose()
    {
        _channel.Dispose();
        _handler.Dispose();
    }

    private static async Task<ToReplica?> ReadAsync(AsyncDuplexStreamingCall<FromReplica, ToReplica> call, TimeSpan within, CancellationToken ct) =>
        await call.ResponseStream.MoveNext(ct).WaitAsync(within, ct) ? call.ResponseStream.Current : null;

    private ReplicaHello Hello(ReplicaHelloParts parts)
    {
        var hello = new ReplicaHello { Protocol = Protocol, Replica = parts.Replica, Site = parts.Site, DataUrl = parts.DataUrl };
        hello.Repositories.AddRange(parts.Repositories);
        foreach (MirrorPosition position in Wanted())
        {
            RepositoryPosition wire = MirrorMapping.ToWire(position);
            _told[position.Repository] = wire;
            hello.Positions.Add(wire);
        }

        return hello;
    }

    private async Task TakeAsync(ToReplica message, Action<IReadOnlyList<Uri>, IReadOnlyList<Uri>> sources, CancellationToken ct)
    {
        switch (message.MessageCase)
        {
            case ToReplica.MessageOneofCase.Offer when IsWanted(message.Offer.Repository):
                await _feed.TellAsync(MirrorMapping.FromWire(message.Offer), ct);
                break;
            case ToReplica.MessageOneofCase.Event when IsWanted(message.Event.Repository):
                await _feed.TellAsync(new MirrorProtocol.Arrived(message.Event.Repository, MirrorMapping.FromWire(message.Event)), ct);
                break;
            case ToReplica.MessageOneofCase.Siblings:
                _siblings = UrlsOf(message.Siblings.DataUrls);
                sources(_core, _siblings);
                break;
            case ToReplica.MessageOneofCase.Order when IsWanted(message.Order.Repository):
                await ObeyAsync(message.Order, ct);
                break;
            case ToReplica.MessageOneofCase.Pulse:
                foreach (RepositoryHeadPosition head in message.Pulse.Heads.Where(h => IsWanted(h.Repository)))
                    await _feed.TellAsync(new MirrorProtocol.HeadIs(head.Repository, head.HeadSequence, head.HeadRevision), ct);
                if (!_heardOfAll)
                    _feed.HeardOfAll();
                _heardOfAll = true;
                break;
        }
    }

    private ValueTask ObeyAsync(Order order, CancellationToken ct) => order.KindCase switch
    {
        Order.KindOneofCase.Pause => _feed.TellAsync(new MirrorProtocol.Pause(order.Repository), ct),
        Order.KindOneofCase.Resume => _feed.TellAsync(new MirrorProtocol.Resume(order.Repository), ct),
        Order.KindOneofCase.Scrub => _feed.TellAsync(new MirrorProtocol.Scrub(order.Repository, order.Scrub.BytesPerSecond), ct),
        Order.KindOneofCase.Forget => _feed.TellAsync(new MirrorProtocol.Forget(order.Repository), ct),
        _ => ValueTask.CompletedTask,
    };

    // What readers see is told at once; how a transfer gets on, now and then.
    private async Task TellAsync(AsyncDuplexStreamingCall<FromReplica, ToReplica> call, long seen, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            using (var waiting = CancellationTokenSource.CreateLinkedTokenSource(ct))
            {
                Task<long> changed = _feed.ChangedAsync(seen, waiting.Token);
                await Task.WhenAny(changed, Task.Delay(TellEvery, _time, waiting.Token));
                if (changed.IsCompletedSuccessfully)
                    seen = await changed;
                await waiting.CancelAsync();
                await ((Task)changed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            ct.ThrowIfCancellationRequested();
            foreach (MirrorPosition position in Wanted())
            {
                RepositoryPosition wire = MirrorMapping.ToWire(position);
                if (!position.Working && _told.TryGetValue(position.Repository, out RepositoryPosition? told) && told.Equals(wire))
                    continue;
                _told[position.Repository] = wire;
                await call.RequestStream.WriteAsync(new FromReplica { Position = wire }, ct);
            }

            while (_feed.ScrubReports.TryRead(out MirrorScrubReport? report))
                await call.RequestStream.WriteAsync(new FromReplica { Scrub = MirrorMapping.ToWire(report) }, ct);
        }
    }

    private bool IsWanted(string repository) => _wanted.Count == 0 || _wanted.Contains(repository);

    private IEnumerable<MirrorPosition> Wanted() => _feed.Positions.Where(p => p.Known && IsWanted(p.Repository));

    private static IReadOnlyList<Uri> UrlsOf(IEnumerable<string> texts) =>
    [
        .. texts.Select(t => Uri.TryCreate(t.TrimEnd('/'), UriKind.Absolute, out Uri? url) ? url : null)
            .OfType<Uri>()
            .Where(u => u.Scheme == Uri.UriSchemeHttp || u.Scheme == Uri.UriSchemeHttps)
            .Distinct(),
    ];
}
