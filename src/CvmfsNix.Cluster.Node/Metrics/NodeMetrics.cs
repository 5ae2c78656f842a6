using System.Diagnostics;
using System.Diagnostics.Metrics;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Actors.Telemetry;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Node.Gateway;

namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary>Every instrument of a core node but those of its commits, and the sums of all of them. Thread-safe.</summary>
public sealed class NodeMetrics : IDisposable
{
    private static readonly InstrumentAdvice<double> Seconds = new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] };

    private static readonly string[] SurfaceNames = [.. Enum.GetValues<Hosting.Surface>().Select(s => s.ToString().ToLowerInvariant())];

    // Boxed once: each request needs one.
    private static readonly object[] Codes = [.. Enumerable.Range(0, 600).Cast<object>()];

    private readonly Meter _meter = new("CvmfsNix.Cluster.Node");
    private readonly ClusterObserver _observer;
    private readonly ICollectionStatus _collections;
    private readonly MetricCollector _collector;
    private readonly Histogram<double> _publish;
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _requestDuration;

    /// <param name="observer">What gauges show.</param>
    /// <param name="collections">The collection of objects on this node.</param>
    public NodeMetrics(ClusterObserver observer, ICollectionStatus collections)
    {
        _observer = observer;
        _collections = collections;
        _collector = new MetricCollector(_meter, CoreMetrics.Meter);
        _publish = _meter.CreateHistogram("cvmfsnix.publish.duration", "s", "Time from the begin of a transaction on this node to its answer.", null, Seconds);
        _requests = _meter.CreateCounter<long>("cvmfsnix.http.requests", "{requests}", "Requests answered, by port.");
        _requestDuration = _meter.CreateHistogram("cvmfsnix.http.request.duration", "s", "Time to answer a request of the data port, its body included.", null, Seconds);
        Repositories();
        Collections();
        Replicas();
        Cluster();
    }

    /// <summary>A publish was answered.</summary>
    public void Published(string repository, string outcome, TimeSpan duration) =>
        _publish.Record(duration.TotalSeconds, new("repository", repository), new KeyValuePair<string, object?>("outcome", outcome));

    /// <summary>A request was answered.</summary>
    public void Answered(Hosting.Surface surface, string method, int status, TimeSpan duration)
    {
        // Methods come from outside: what is unusual must not make a series each.
        string known = method is "GET" or "HEAD" or "POST" or "PUT" or "DELETE" ? method : "other";
        _requests.Add(1, new("surface", SurfaceNames[(int)surface]), new("method", known), new KeyValuePair<string, object?>("code", (uint)status < (uint)Codes.Length ? Codes[status] : status));
        if (surface == Hosting.Surface.Data)
            _requestDuration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("method", known));
    }

    /// <summary>All numbers now; gauges are no older than a second.</summary>
    public async Task<IReadOnlyList<MetricFamily>> CollectAsync(CancellationToken ct)
    {
        await _observer.FreshAsync(TimeSpan.FromSeconds(1), ct);
        return _collector.Collect();
    }

    public void Dispose()
    {
        _collector.Dispose();
        _meter.Dispose();
    }

    private void Repositories()
    {
        Gauge("cvmfsnix.repository.revision", null, "Newest revision.", r => r.Revision);
        Gauge("cvmfsnix.repository.paths", null, "Live store paths.", r => r.Paths, r => r.IsTold);
        Gauge("cvmfsnix.repository.healthy", null, "1 when the repository takes publishes.", r => string.IsNullOrEmpty(r.Problem) ? 1 : 0);
        Gauge("cvmfsnix.store.objects", null, "Objects in this node's store.", r => r.Objects);
        Gauge("cvmfsnix.store", "By", "Stored bytes of the objects in this node's store.", r => r.StoredBytes);
        Gauge("cvmfsnix.queue.waiting", null, "Transactions that wait for a commit.", r => r.Queued);
        Gauge("cvmfsnix.queue.committing", null, "Transactions of the running commit.", r => r.InFlight);
        Gauge("cvmfsnix.transactions.open", null, "Transactions open over this node.", r => r.OpenTransactions);
        Gauge("cvmfsnix.whitelist.remaining", "s", "Time until clients refuse the repository unless its whitelist is renewed.", r => (r.WhitelistExpiresAt - DateTimeOffset.UtcNow).TotalSeconds, r => r.IsTold);

        // What was never told is absent: zero would be an alarm.
        void Gauge(string name, string? unit, string help, Func<RepositoryView, double> value, Func<RepositoryView, bool>? known = null) => _meter.CreateObservableGauge(
            name, () => Status?.Repositories.Where(r => known?.Invoke(r) ?? true).Select(r => new Measurement<double>(value(r), new KeyValuePair<string, object?>("repository", r.Repository))) ?? [], unit, help);
    }

    // Of the last run that ended well, or that of the present one once it knows what may go.
    private void Collections()
    {
        Gauge("cvmfsnix.collection.live", "By", "Stored bytes that something needs, by the last collection of this node's store.", c => c.Result?.LiveBytes ?? 0);
        Gauge("cvmfsnix.collection.dead", "By", "Stored bytes that nothing needs and that are not deleted yet.", c => (c.Result?.YoungBytes ?? 0) + (c.Result?.CollectableBytes ?? 0));
        Gauge("cvmfsnix.collection.collectable", "By", "Of these, the bytes whose grace is over.", c => c.Result?.CollectableBytes ?? 0);
        Gauge("cvmfsnix.collection.last.end", "s", "When the last collection ended, seconds since 1970; 0 = none since the start.", c => c.EndedAt.ToUnixTimeSeconds());
        Gauge("cvmfsnix.collection.rate", "By", "Bytes a second that the last collection deleted.", c => Rate(c));
        Gauge("cvmfsnix.collection.running", null, "1 while a collection is under way.", c => c.Running ? 1 : 0);
        Gauge("cvmfsnix.collection.healthy", null, "0 when the last collection stopped because something was missing or damaged.", c => c.Problem.Length == 0 ? 1 : 0);
        _meter.CreateObservableCounter("cvmfsnix.collection.deleted", () => Of(name => _collections.DeletedOf(name).Bytes), "By", "Bytes of objects deleted since the start.");
        _meter.CreateObservableCounter("cvmfsnix.collection.deleted.objects", () => Of(name => _collections.DeletedOf(name).Objects), "{objects}", "Objects deleted since the start.");

        void Gauge(string name, string? unit, string help, Func<CollectionStatus, double> value) =>
            _meter.CreateObservableGauge(name, () => Of(repository => value(_collections.Of(repository))), unit, help);

        IEnumerable<Measurement<double>> Of(Func<string, double> value) =>
            Status?.Repositories.Select(r => new Measurement<double>(value(r.Repository), new KeyValuePair<string, object?>("repository", r.Repository))) ?? [];

        static double Rate(CollectionStatus c) => c is { Running: false, Result.DeletedBytes: > 0 and var bytes } && c.EndedAt > c.StartedAt ? bytes / (c.EndedAt - c.StartedAt).TotalSeconds : 0;
    }

    private void Replicas()
    {
        Gauge("cvmfsnix.replica.lag.revisions", null, "Revisions a mirror does not serve yet.", r => r.LagRevisions);
        Gauge("cvmfsnix.replica.lag", "By", "Stored bytes a mirror lacks.", r => r.LagBytes);
        Gauge("cvmfsnix.replica.lag", "s", "Age of the first event a mirror lacks.", r => r.LagTime.TotalSeconds);
        Gauge("cvmfsnix.replica.revision", null, "Revision a mirror serves.", r => r.Replica.Position.Revision);
        _meter.CreateObservableGauge("cvmfsnix.replica.holds.collection", Holders, null, "1 for the mirror whose revision keeps removed paths and superseded catalogs from being collected.");
        _meter.CreateObservableGauge(
            "cvmfsnix.replica.state",
            () => Status?.Replicas.SelectMany(r => Enum.GetValues<ReplicaStanding>().Select(s => new Measurement<double>(
                s == r.Standing ? 1 : 0, [.. Labels(r), new("state", ReplicaMessages.NameOf(s))]))) ?? [],
            null,
            "1 for the state a mirror is in.");

        void Gauge(string name, string? unit, string help, Func<ReplicaView, double> value) => _meter.CreateObservableGauge(
            name, () => Status?.Replicas.Select(r => new Measurement<double>(value(r), Labels(r))) ?? [], unit, help);

        IEnumerable<Measurement<double>> Holders()
        {
            if (Status is not { } status)
                yield break;
            foreach (RepositoryView repository in status.Repositories)
            {
                ReplicaView[] of = [.. status.Replicas.Where(r => r.Replica.Key.Repository.Value == repository.Repository)];
                ReplicaSummary? holder = CollectionHold.Holder(of.Select(r => r.Replica), repository.Revision, DateTimeOffset.UtcNow);
                foreach (ReplicaView replica in of)
                    yield return new Measurement<double>(replica.Replica == holder ? 1 : 0, Labels(replica));
            }
        }

        static KeyValuePair<string, object?>[] Labels(ReplicaView r) =>
            [new("repository", r.Replica.Key.Repository.Value), new("replica", r.Replica.Key.Replica.Value), new("site", r.Replica.Site)];
    }

    private void Cluster()
    {
        Gauge("cvmfsnix.leader.epoch", null, "Leaderships so far.", s => s.Status.Epoch);
        Gauge("cvmfsnix.leader.self", null, "1 when this node leads.", s => s.Status.Leader == s.Status.Node ? 1 : 0);
        Gauge("cvmfsnix.members", null, "Members of the cluster.", s => s.Status.Members.Count);
        Gauge("cvmfsnix.members.unreachable", null, "Members that failure detection misses.", s => s.Status.Members.Count(m => !m.Reachable));
        Gauge("cvmfsnix.stores", null, "Stores of members that are up and reachable.", s => s.Stores);
        Gauge("cvmfsnix.copies.required", null, "Stores an object has to be on before a publish is acknowledged.", s => s.CopiesRequired);
        Gauge("cvmfsnix.copies.missing", null, "Stores that are missing for a publish to be acknowledged.", s => s.CopiesMissing);
        Gauge("cvmfsnix.node.ready", null, "1 when this node does what it is for.", s => s.Ready.Length == 0 ? 1 : 0);
        _meter.CreateObservableGauge("cvmfsnix.process.resident", () => Environment.WorkingSet, "By", "Resident memory of this process.");
        _meter.CreateObservableGauge("cvmfsnix.process.start.time", () => StartTime, "s", "Start of this process, seconds since 1970.");

        void Gauge(string name, string? unit, string help, Func<ClusterSight, double> value) => _meter.CreateObservableGauge(
            name, () => _observer.Last is { } sight ? [new Measurement<double>(value(sight))] : Array.Empty<Measurement<double>>(), unit, help);
    }

    private static readonly double StartTime = Math.Floor((Process.GetCurrentProcess().StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds);

    private ClusterStatus? Status => _observer.Last?.Status;
}
