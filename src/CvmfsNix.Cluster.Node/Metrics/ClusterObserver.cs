using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary>What was seen of the cluster at a moment.</summary>
/// <param name="At">The moment.</param>
/// <param name="Status">Members, repositories, replicas.</param>
/// <param name="Ready">Empty, or why this node is not ready.</param>
/// <param name="Stores">Stores of members that are up and reachable.</param>
/// <param name="CopiesRequired">Stores an object has to be on; 0 = not known.</param>
public sealed record ClusterSight(DateTimeOffset At, ClusterStatus Status, string Ready, int Stores, int CopiesRequired)
{
    /// <summary>Stores that are missing for a publish to be acknowledged.</summary>
    public int CopiesMissing => Math.Max(0, CopiesRequired - Stores);

    /// <summary>
    /// With what only a leader tells and what changes slowly, as the sight before had it, where no leader told it now: a leader that is being replaced must not look like
    /// a repository without paths whose whitelist has expired.
    /// </summary>
    public ClusterSight Remembering(ClusterSight? before)
    {
        if (before is null)
            return this;
        Dictionary<string, RepositoryView> known = before.Status.Repositories.ToDictionary(r => r.Repository, StringComparer.Ordinal);
        return this with
        {
            Status = Status with
            {
                Epoch = Math.Max(Status.Epoch, before.Status.Epoch),
                Repositories = [.. Status.Repositories.Select(r => r.IsTold || !known.TryGetValue(r.Repository, out RepositoryView? was)
                    ? r
                    : r with { Paths = was.Paths, PublishedAt = was.PublishedAt, WhitelistExpiresAt = was.WhitelistExpiresAt })],
            },
        };
    }
}

/// <summary>A point of the past, for curves.</summary>
/// <param name="At">When.</param>
/// <param name="Revisions">Sum of all repositories' revisions.</param>
/// <param name="Paths">Sum of all repositories' paths.</param>
/// <param name="Waiting">Transactions in queues.</param>
/// <param name="Lag">Seconds that each replica is behind, by repository and replica.</param>
public sealed record PastPoint(DateTimeOffset At, ulong Revisions, long Paths, int Waiting, IReadOnlyDictionary<string, double> Lag);

/// <summary>Looks at the cluster now and then, and when somebody wants to know: all who show numbers show these. Thread-safe.</summary>
public sealed class ClusterObserver(IPublishingCore core, IServiceProvider services, TimeProvider time, ILogger<ClusterObserver> log) : BackgroundService
{
    private const int PointsMax = 720;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    private readonly SemaphoreSlim _looking = new(1, 1);
    private readonly Lock _gate = new();
    private readonly Queue<PastPoint> _past = new();
    private ClusterSight? _last;

    /// <summary>The last sight; null before the first.</summary>
    public ClusterSight? Last => Volatile.Read(ref _last);

    /// <summary>The last hour, one point in five seconds, oldest first.</summary>
    public IReadOnlyList<PastPoint> Past
    {
        get
        {
            lock (_gate)
                return [.. _past];
        }
    }

    /// <summary>A sight that is no older than <paramref name="age"/>, or the last one when the cluster does not answer.</summary>
    public async Task<ClusterSight?> FreshAsync(TimeSpan age, CancellationToken ct)
    {
        if (Last is { } last && time.GetUtcNow() - last.At <= age)
            return last;
        await _looking.WaitAsync(ct);
        try
        {
            if (Last is { } now && time.GetUtcNow() - now.At <= age)
                return now;
            ClusterStatus status = await core.StatusAsync(ct).WaitAsync(Patience, time, ct);
            var stores = (IStoreAdministration?)services.GetService(typeof(IStoreAdministration));
            ClusterSight sight = new ClusterSight(time.GetUtcNow(), status, core.NotReadyReason, stores?.Stores.Count ?? 0, stores?.CopiesRequired ?? 0).Remembering(Last);
            Volatile.Write(ref _last, sight);
            return sight;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // Whatever it is, others report it; a look that failed must not end the node.
            log.LogDebug(e, "The cluster could not be looked at");
            return Last;
        }
        finally
        {
            _looking.Release();
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _looking.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        do
        {
            if (await FreshAsync(TimeSpan.Zero, stoppingToken) is { } sight)
                Remember(sight);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private void Remember(ClusterSight sight)
    {
        IReadOnlyList<RepositoryView> repositories = sight.Status.Repositories;
        var point = new PastPoint(
            sight.At,
            (ulong)repositories.Sum(r => (decimal)r.Revision),
            repositories.Sum(r => r.Paths),
            repositories.Sum(r => r.Queued + r.InFlight),
            sight.Status.Replicas.ToDictionary(r => $"{r.Replica.Key.Repository}/{r.Replica.Key.Replica}", r => r.LagTime.TotalSeconds, StringComparer.Ordinal));
        lock (_gate)
        {
            _past.Enqueue(point);
            if (_past.Count > PointsMax)
                _past.Dequeue();
        }
    }
}
