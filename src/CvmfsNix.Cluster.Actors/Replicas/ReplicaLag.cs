using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>How far replicas are behind what this node serves. Thread-safe.</summary>
internal sealed class ReplicaLag(TimeProvider clock)
{
    /// <summary>Beyond so many events nobody adds up lists: the whole repository is what may be missing.</summary>
    private const int EventsCounted = 1_000;

    private const int SizesKept = 20_000;
    private const ulong RevisionsUsual = 10;
    private static readonly TimeSpan TimeUsual = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, long> _sizes = new(StringComparer.Ordinal);

    public async Task<ReplicaView> OfAsync(ReplicaSummary replica, LocalRepository repository, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        var position = replica.Position;
        long events = Math.Max(0, repository.SeenSequence - position.Sequence);
        ulong revisions = repository.Revision > position.Revision ? repository.Revision - position.Revision : 0;
        var (bytes, since) = events == 0 ? (0, null) : await BehindAsync(position, repository, ct).ConfigureAwait(false);
        var time = since is { } at && now > at ? now - at : TimeSpan.Zero;
        bool reachable = replica.IsReachable(now);
        return new ReplicaView
        {
            Replica = replica,
            Standing = (replica.Paused, reachable) switch
            {
                (true, _) => ReplicaStanding.Paused,
                (_, false) => ReplicaStanding.Unreachable,
                _ when position.CatchingUp || revisions > RevisionsUsual || time > TimeUsual => ReplicaStanding.CatchingUp,
                _ => ReplicaStanding.Following,
            },
            LagEvents = events,
            LagRevisions = revisions,
            LagBytes = reachable && position.MissingBytes > 0 ? position.MissingBytes : bytes,
            LagTime = time,
        };
    }

    private async Task<(long Bytes, DateTimeOffset? Since)> BehindAsync(ReplicaPosition position, LocalRepository repository, CancellationToken ct)
    {
        bool far = position.Sequence == 0 || repository.SeenSequence - position.Sequence > EventsCounted;
        var missed = await repository.EventsAsync(position.Sequence, far ? 1 : EventsCounted, ct).ConfigureAwait(false);
        DateTimeOffset? since = missed.Count > 0 ? missed[0].Event.At : null;
        if (repository.Backend is not StoreBackend backend)
            return (0, since);
        return (far ? backend.Store.Usage.StoredBytes : missed.Sum(e => SizeOf(e.Event, backend)), since);
    }

    private long SizeOf(IRepositoryEvent @event, StoreBackend backend)
    {
        if (@event is not RevisionCommitted { Revision.DeltaDigest: var digest })
            return 0;
        if (_sizes.TryGetValue(digest, out long known))
            return known;
        if (backend.Store.Blobs.OpenRead(digest) is not { } file)
            return 0;
        long size = DeltaFile.ReadObjects(file, digest).Sum(o => o.StoredSize);
        if (_sizes.Count >= SizesKept)
            _sizes.Clear();
        return _sizes[digest] = size;
    }
}
