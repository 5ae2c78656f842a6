using System.Net;
using System.Net.Security;

namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>
/// Where revisions are fetched from: siblings first, core nodes when those lack something or fail. May be changed while fetches run,
/// remembers who failed, and keeps the connections. One for a process; thread-safe.
/// </summary>
public sealed class FetchSources : IDisposable
{
    private static readonly TimeSpan IdleMax = TimeSpan.FromSeconds(90);

    private readonly HttpClient _http;
    private readonly ReplicationLimits _limits;
    private readonly TimeProvider _clock;
    private readonly Lock _gate = new();
    private SourceSet _set = new();
    private SourcePlan _plan = new(0, null, [], []);

    /// <summary>Begins with no source.</summary>
    /// <param name="limits">Bounds.</param>
    /// <param name="clock">For rests.</param>
    /// <param name="tls">Of connections to servers that speak TLS; null = as the machine has it.</param>
    public FetchSources(ReplicationLimits limits, TimeProvider clock, SslClientAuthenticationOptions? tls = null)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(clock);
        _limits = limits;
        _clock = clock;
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = limits.ConnectTimeout,
            PooledConnectionIdleTimeout = IdleMax,
            AutomaticDecompression = DecompressionMethods.None,
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
        };
        if (tls is not null)
            handler.SslOptions = tls;
        _http = new HttpClient(handler)
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The sources. A URL that stays keeps its connections and its history.</summary>
    /// <exception cref="ArgumentException">A URL is no absolute HTTP URL.</exception>
    public SourceSet Set
    {
        get
        {
            lock (_gate)
                return _set;
        }

        set
        {
            ArgumentNullException.ThrowIfNull(value);
            lock (_gate)
            {
                string? self = value.Self?.AbsoluteUri;
                // Whoever tells of siblings may count this node among them.
                Source[] siblings = [.. value.Siblings.Where(u => u.AbsoluteUri != self).Distinct().Select(u => Keep(u, true))];
                Source[] core = [.. value.Core.Where(u => u.AbsoluteUri != self).Distinct().Select(u => Keep(u, false))];
                _plan = new SourcePlan(_plan.Version + 1, self, siblings, core);
                _set = value;
            }
        }
    }

    /// <summary>How each is doing.</summary>
    public IReadOnlyList<SourceState> States => [.. Plan.Sources.Select(s => new SourceState(s.Url, s.IsSibling, s.IsResting, s.LastProblem, s.BytesReceived))];

    /// <summary>
    /// Told when a source begins to fail, and of every answer with damaged bytes. Called on the thread of the transfer: it must return at once.
    /// </summary>
    public Action<SourceTrouble>? Troubled { get; set; }

    internal SourcePlan Plan
    {
        get
        {
            lock (_gate)
                return _plan;
        }
    }

    /// <summary>Servers that know nothing of packs, in the order in which they are asked.</summary>
    /// <param name="repositoryUrls">URLs of the repository's folder.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="clock">For rests.</param>
    internal static FetchSources Plain(IEnumerable<Uri> repositoryUrls, ReplicationLimits limits, TimeProvider clock)
    {
        var sources = new FetchSources(limits, clock);
        sources._plan = new SourcePlan(1, null, [], repositoryUrls.Select(u => new PlainSource(Checked(u), sources._http, limits, clock)));
        return sources;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Source Keep(Uri url, bool isSibling) =>
        _plan.Sources.FirstOrDefault(s => s.Url == url && s.IsSibling == isSibling) ?? new PackSource(Checked(url), isSibling, _http, _limits, _clock);

    private static Uri Checked(Uri url) =>
        url.IsAbsoluteUri && url.Scheme is "http" or "https" ? url : throw new ArgumentException($"'{url}' is no absolute HTTP URL.", nameof(url));
}
