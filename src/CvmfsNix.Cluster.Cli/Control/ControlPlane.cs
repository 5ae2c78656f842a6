using System.Net;
using System.Net.Security;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;
using Grpc.Core;
using Grpc.Net.Client;
using AdminService = CvmfsNix.Cluster.Contracts.Admin.Admin;
using PublishingService = CvmfsNix.Cluster.Contracts.Publishing.Publishing;

namespace CvmfsNix.Cluster.Cli.Control;

/// <summary>How to reach the nodes: one of several equal servers, asked in turn when one fails.</summary>
/// <param name="Servers">Control addresses, at least one.</param>
/// <param name="Token">Sent as <c>Authorization: Bearer</c>; null = none.</param>
/// <param name="Timeout">What the user allowed; null = the default of the command.</param>
/// <param name="Tls">Of connections to servers that speak TLS; null = as the machine has it.</param>
internal sealed record ControlSettings(IReadOnlyList<Uri> Servers, string? Token, TimeSpan? Timeout, SslClientAuthenticationOptions? Tls = null);

/// <summary>Connections to the control ports of the nodes. Thread-safe.</summary>
internal sealed class ControlPlane : IDisposable
{
    /// <summary>Time for one answer where the user set none.</summary>
    public static readonly TimeSpan DefaultAnswerTime = TimeSpan.FromSeconds(60);

    // Refused connections are quick to find out: three rounds over all servers bridge a restart without hiding a wrong address.
    private const int UnreachableRounds = 3;

    // About the time a cluster takes to replace a lost leader: a server that failed is asked again after it.
    private static readonly TimeSpan AvoidFor = TimeSpan.FromSeconds(5);

    private readonly ControlSettings _settings;
    private readonly Terminal _terminal;
    private readonly TimeProvider _clock;
    private readonly SocketsHttpHandler _handler;
    private readonly Lock _gate = new();
    private readonly ControlServer?[] _servers;
    private readonly Refusal?[] _refusals;
    private int _current;
    private int _routes;

    public ControlPlane(ControlSettings settings, Terminal terminal, TimeProvider clock)
    {
        _settings = settings;
        _terminal = terminal;
        _clock = clock;
        _servers = new ControlServer?[settings.Servers.Count];
        _refusals = new Refusal?[settings.Servers.Count];
        _handler = new SocketsHttpHandler
        {
            // A frozen node, or one that is cut off, keeps its connections open; only pings find it out. Little is lost when one that is
            // merely slow is left: the publish goes on elsewhere under its transaction id.
            KeepAlivePingDelay = TimeSpan.FromSeconds(3),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            EnableMultipleHttp2Connections = true,
            AutomaticDecompression = DecompressionMethods.None,
        };
        if (settings.Tls is not null)
            _handler.SslOptions = settings.Tls;
        if (settings.Token is not null)
        {
            foreach (Uri server in settings.Servers.Where(s => s.Scheme == Uri.UriSchemeHttp && !s.IsLoopback))
                terminal.Warning($"the token travels to {server} in clear text; use https beyond a private network");
        }
    }

    /// <summary>Time for one answer.</summary>
    public TimeSpan AnswerTime => _settings.Timeout ?? DefaultAnswerTime;

    /// <summary>What the user allowed for all of a command; null = no limit.</summary>
    public TimeSpan? TotalTime => _settings.Timeout;

    public TimeProvider Clock => _clock;

    /// <summary>The server in use.</summary>
    public ControlServer Current
    {
        get
        {
            lock (_gate)
                return At(_current);
        }
    }

    /// <summary>A way of its own through the servers: the first begins at the first server, the next one at the next.</summary>
    public ServerRoute NewRoute()
    {
        lock (_gate)
            return new ServerRoute(this, FirstGood(_routes++ % _servers.Length));
    }

    /// <summary>The server of a number.</summary>
    internal ControlServer Server(int number)
    {
        lock (_gate)
            return At(number);
    }

    /// <summary>
    /// The server to go on with after one failed, and how long it wants to be left alone: one that has refused nothing lately if there is any, else the one
    /// whose time is over first. What one server advises (its disk is full) says nothing about the others.
    /// </summary>
    internal (int Number, TimeSpan? Advice) After(int failed, TimeSpan? advice)
    {
        lock (_gate)
        {
            _refusals[failed] = new Refusal(_clock.GetTimestamp(), advice);
            int next = FirstGood((failed + 1) % _servers.Length);
            return (next, AdviceOf(next) is { } left && left > TimeSpan.Zero ? left : null);
        }
    }

    private ControlServer At(int number) => _servers[number] ??= new ControlServer(_settings.Servers[number], _handler, _settings.Token);

    private int FirstGood(int from)
    {
        int best = from;
        for (int i = 0; i < _servers.Length; i++)
        {
            int candidate = (from + i) % _servers.Length;
            if (_refusals[candidate] is not { } refusal || _clock.GetElapsedTime(refusal.At) > (refusal.Advice > AvoidFor ? refusal.Advice : AvoidFor))
                return candidate;
            if ((AdviceOf(candidate) ?? TimeSpan.Zero) < (AdviceOf(best) ?? TimeSpan.Zero))
                best = candidate;
        }

        return best;
    }

    // What is left of the time a server asked for; not positive once it is over.
    private TimeSpan? AdviceOf(int number) => _refusals[number] is { Advice: { } advice } refusal ? advice - _clock.GetElapsedTime(refusal.At) : null;

    private sealed record Refusal(long At, TimeSpan? Advice);

    /// <summary>Goes on with the next server, unless somebody else already left <paramref name="failed"/>.</summary>
    public void Leave(ControlServer failed)
    {
        lock (_gate)
        {
            if (ReferenceEquals(_servers[_current], failed))
                _current = (_current + 1) % _servers.Length;
        }
    }

    /// <summary>Asks one question that may be asked again anywhere, within the time for one answer.</summary>
    public async Task<T> AskAsync<T>(
        Func<PublishingService.PublishingClient, CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken)
    {
        var retry = new RetryPolicy(_clock, AnswerTime, AnswerTime, UnreachableRounds * _servers.Length);
        while (true)
        {
            ControlServer server = Current;
            try
            {
                return await server.AskAsync(call, retry.Remaining, cancellationToken);
            }
            catch (CliException e) when (e.Transient)
            {
                Leave(server);
                if (retry.NextWait(e) is not { } wait)
                    throw;
                if (!e.Unreachable)
                    _terminal.Note($"{e.Message}; trying again");
                await Task.Delay(wait, _clock, cancellationToken);
            }
        }
    }

    public void Dispose()
    {
        foreach (ControlServer? server in _servers)
            server?.Dispose();
        _handler.Dispose();
    }
}

/// <summary>
/// One publish's way through the servers. Several at once begin at different servers, so that a batch loads them all; a transaction stays
/// with one as long as that answers, because what it sent is known only there. Not thread-safe.
/// </summary>
internal sealed class ServerRoute(ControlPlane control, int first)
{
    private int _number = first;

    /// <summary>The server to ask.</summary>
    public ControlServer Current => control.Server(_number);

    /// <summary>Goes on with another server, or with the same where there is no other.</summary>
    /// <returns>How long that one wants to be left alone first; null = it has not said so.</returns>
    public TimeSpan? Leave(CliException failure)
    {
        (_number, TimeSpan? advice) = control.After(_number, failure.RetryAfter);
        return advice;
    }
}

/// <summary>One control address. Every failure of a call leaves it as a <see cref="CliException"/>.</summary>
internal sealed class ControlServer : IDisposable
{
    private readonly GrpcChannel _channel;
    private readonly Metadata _headers = [];

    public ControlServer(Uri address, HttpMessageHandler handler, string? token)
    {
        Address = address;
        _channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = false,
            MaxReceiveMessageSize = 16 << 20,
        });
        if (token is not null)
            _headers.Add("authorization", "Bearer " + token);
        Client = new PublishingService.PublishingClient(_channel);
        Admin = new AdminService.AdminClient(_channel);
    }

    public Uri Address { get; }

    public PublishingService.PublishingClient Client { get; }

    /// <summary>For operators' shells.</summary>
    public AdminService.AdminClient Admin { get; }

    /// <summary>Headers and deadline of one call; no deadline where <paramref name="time"/> is null.</summary>
    public CallOptions Options(TimeSpan? time, CancellationToken cancellationToken) =>
        new(_headers, time is { } t ? DateTime.UtcNow + (t > TimeSpan.Zero ? t : TimeSpan.Zero) : null, cancellationToken);

    /// <summary>One call, one answer.</summary>
    public async Task<T> AskAsync<T>(
        Func<PublishingService.PublishingClient, CallOptions, AsyncUnaryCall<T>> call, TimeSpan? time, CancellationToken cancellationToken)
    {
        try
        {
            using AsyncUnaryCall<T> running = call(Client, Options(time, cancellationToken));
            return await running.ResponseAsync;
        }
        catch (RpcException e)
        {
            // A call cancelled by us fails with a status of its own; to the caller it is a cancellation.
            cancellationToken.ThrowIfCancellationRequested();
            throw RpcFailure.From(e, Address);
        }
        catch (Exception e) when (RpcFailure.IsBrokenConnection(e))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw RpcFailure.Broken(e, Address);
        }
    }

    public void Dispose() => _channel.Dispose();
}
