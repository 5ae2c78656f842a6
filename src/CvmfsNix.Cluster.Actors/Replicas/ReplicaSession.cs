using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>
/// One open stream of a mirror, between whoever speaks with the mirror and its replicas in the cluster. Nothing here waits for the mirror: what it
/// is to be told is kept, merged, until it is taken. Thread-safe; disposing it says that the stream ended.
/// </summary>
public sealed class ReplicaSession : IAsyncDisposable
{
    private const int ScrubsMax = 1_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<RepositoryId, Standing> _repositories = [];
    private readonly Dictionary<RepositoryId, IReadOnlyList<string>> _siblings = [];
    private readonly Dictionary<RepositoryId, long> _scrubs = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly Action<object> _tell;
    private IReadOnlyList<string> _siblingsTold = [];
    private Action? _news;
    private bool _disposed;

    internal ReplicaSession(ReplicaId replica, string site, string dataUrl, Func<ReplicaSession, Action<object>> start)
    {
        (Replica, Site, DataUrl) = (replica, site, dataUrl);
        _tell = start(this);
    }

    /// <summary>The mirror.</summary>
    public ReplicaId Replica { get; }

    /// <summary>Its datacenter.</summary>
    public string Site { get; }

    /// <summary>How siblings reach it; empty = they cannot.</summary>
    public string DataUrl { get; }

    /// <summary>Tells this stream from others of the same mirror.</summary>
    public Guid Id { get; } = Guid.NewGuid();

    /// <summary>Cancelled when the stream has to end: the node left its cluster, or the mirror opened another one.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>The mirror opened another stream.</summary>
    public bool Superseded { get; private set; }

    /// <summary>Registers the mirror's replica of a repository; its events may be sent once <see cref="IsJoined"/>.</summary>
    public void Join(RepositoryId repository, ReplicaPosition position)
    {
        lock (_gate)
        {
            if (!_repositories.TryAdd(repository, new Standing(position)))
                return;
        }

        _tell(new Joining(repository));
    }

    /// <summary>The cluster knows that the mirror follows this repository.</summary>
    public bool IsJoined(RepositoryId repository)
    {
        lock (_gate)
            return _repositories.TryGetValue(repository, out var standing) && standing.Joined;
    }

    /// <summary>The replica was removed: nothing more is sent of this repository.</summary>
    public bool IsForgotten(RepositoryId repository)
    {
        lock (_gate)
            return _repositories.TryGetValue(repository, out var standing) && standing.Forgotten;
    }

    /// <summary>The mirror told how far it is. What it says of a repository it did not join is passed over.</summary>
    public void Report(RepositoryId repository, ReplicaPosition position)
    {
        lock (_gate)
        {
            if (!_repositories.TryGetValue(repository, out var standing) || standing.Forgotten)
                return;
            standing.Position = position;
        }

        _tell(new Reporting(repository));
    }

    /// <summary>The mirror told how its scrub goes.</summary>
    public void Report(RepositoryId repository, ScrubState scrub) => _tell(new Scrubbing(repository, scrub));

    /// <summary>The mirror gave a sign of life.</summary>
    public void Alive() => _tell(new Living());

    /// <summary>Has somebody told of news for the mirror; it must return at once.</summary>
    public void OnNews(Action news)
    {
        lock (_gate)
            _news = news;
    }

    /// <summary>What the mirror is to be told since the last time.</summary>
    public ReplicaNews Take()
    {
        lock (_gate)
        {
            var pauses = new List<(RepositoryId, bool)>();
            var forgotten = new List<RepositoryId>();
            foreach (var (repository, standing) in _repositories)
            {
                if (standing.Forgotten != standing.ForgottenTold)
                    forgotten.Add(repository);
                else if (standing.Joined && standing.Paused != standing.PausedTold)
                    pauses.Add((repository, standing.Paused));
                (standing.ForgottenTold, standing.PausedTold) = (standing.Forgotten, standing.Joined ? standing.Paused : standing.PausedTold);
            }

            var scrubs = _scrubs.Select(s => (s.Key, s.Value)).ToList();
            _scrubs.Clear();
            string[] siblings = [.. _siblings.Values.SelectMany(u => u).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
            bool changed = !siblings.SequenceEqual(_siblingsTold);
            _siblingsTold = siblings;
            return new ReplicaNews(pauses, scrubs, forgotten, changed ? siblings : null);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_disposed)
                return ValueTask.CompletedTask;
            _disposed = true;
        }

        _tell(new Leaving());
        _ended.Dispose();
        return ValueTask.CompletedTask;
    }

    // ---- from the session's actor ----

    internal IReadOnlyList<(RepositoryId Repository, Standing Standing)> Standings()
    {
        lock (_gate)
            return [.. _repositories.Where(r => !r.Value.Forgotten).Select(r => (r.Key, r.Value))];
    }

    internal Standing? StandingOf(RepositoryId repository)
    {
        lock (_gate)
            return _repositories.GetValueOrDefault(repository);
    }

    internal void Joined(RepositoryId repository, bool paused) => Change(repository, s => (s.Joined, s.Paused) = (true, paused));

    internal void Paused(RepositoryId repository, bool paused) => Change(repository, s => s.Paused = paused);

    internal void Forgotten(RepositoryId repository) => Change(repository, s => s.Forgotten = true);

    internal void Unknown(RepositoryId repository) => Change(repository, s => s.Joined = s.Joined && s.Forgotten);

    internal void Siblings(RepositoryId repository, IReadOnlyList<string> urls) => Change(repository, _ => _siblings[repository] = urls);

    internal void Scrub(RepositoryId repository, long bytesPerSecond) => Change(repository, _ =>
    {
        if (_scrubs.Count < ScrubsMax)
            _scrubs[repository] = bytesPerSecond;
    });

    internal void End(bool superseded)
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            Superseded |= superseded;
            _ended.CancelAsync();
        }
    }

    private void Change(RepositoryId repository, Action<Standing> change)
    {
        Action? news;
        lock (_gate)
        {
            if (!_repositories.TryGetValue(repository, out var standing))
                return;
            change(standing);
            news = _news;
        }

        news?.Invoke();
    }

    /// <summary>How the mirror stands with one repository; guarded by the session.</summary>
    internal sealed class Standing(ReplicaPosition position)
    {
        public ReplicaPosition Position { get; set; } = position;

        public bool Joined { get; set; }

        public bool Paused { get; set; }

        public bool PausedTold { get; set; }

        public bool Forgotten { get; set; }

        public bool ForgottenTold { get; set; }
    }

    // To the session's actor.
    internal sealed record Joining(RepositoryId Repository);

    internal sealed record Reporting(RepositoryId Repository);

    internal sealed record Scrubbing(RepositoryId Repository, ScrubState Scrub);

    internal sealed record Living;

    internal sealed record Leaving;
}

/// <summary>What a mirror is to be told besides events.</summary>
/// <param name="Pauses">Repositories that were paused (true) or resumed.</param>
/// <param name="Scrubs">Repositories to scrub, and with how many bytes a second; 0 = the mirror's own bound.</param>
/// <param name="Forgotten">Repositories it was removed from.</param>
/// <param name="Siblings">Data URLs of the siblings of its site; null = as before.</param>
public sealed record ReplicaNews(
    IReadOnlyList<(RepositoryId Repository, bool Paused)> Pauses,
    IReadOnlyList<(RepositoryId Repository, long BytesPerSecond)> Scrubs,
    IReadOnlyList<RepositoryId> Forgotten,
    IReadOnlyList<string>? Siblings);
