using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>
/// The cluster as those see it who follow it, wait for followers, or look after them. Thread-safe. Every method throws
/// <see cref="PublishingException"/> for what the caller can act on.
/// </summary>
public interface IReplicationCore
{
    /// <summary>The repositories open on this node, by name.</summary>
    IReadOnlyList<FollowedRepository> Repositories { get; }

    /// <summary>Data ports of the cluster's stores, without a slash at the end, this node's first.</summary>
    IReadOnlyList<string> DataUrls { get; }

    /// <summary>Calls <paramref name="moved"/> whenever a repository was opened here or moved on, until the result is disposed. It must return at once.</summary>
    IDisposable Watch(Action moved);

    /// <summary>The events after a sequence number that are in effect on this node, in order and without a gap, at most <paramref name="max"/>.</summary>
    /// <exception cref="PublishingException">UnknownRepository; NoLeader when the journal cannot be read now.</exception>
    Task<IReadOnlyList<SequencedEvent>> EventsAsync(RepositoryId repository, long after, int max, CancellationToken ct);

    /// <summary>A record file of this node's store when it has at most <paramref name="bytesMax"/> bytes; null when it has more or is not here.</summary>
    Task<byte[]?> SmallRecordAsync(RepositoryId repository, string digest, int bytesMax, CancellationToken ct);

    /// <summary>Whether nothing is left of a revision and its record files are needed by nobody.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="revision">The revision.</param>
    /// <param name="digest">One of its record files: where that is here, it is not looked up.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="PublishingException">UnknownRepository; NoLeader when the journal cannot be read now.</exception>
    Task<bool> IsForgottenAsync(RepositoryId repository, ulong revision, string digest, CancellationToken ct) => Task.FromResult(false);

    /// <summary>Opens a stream of a mirror in the cluster's eyes; the caller disposes it when the stream ends.</summary>
    /// <exception cref="PublishingException">NoLeader: this node is in no cluster.</exception>
    ReplicaSession Open(ReplicaId replica, string site, string dataUrl);

    /// <summary>All replicas, by repository and name.</summary>
    /// <param name="fqrn">Of this repository only; null = of all.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="PublishingException">UnknownRepository; NoLeader when not every replica could be asked.</exception>
    Task<IReadOnlyList<ReplicaView>> ListAsync(string? fqrn, CancellationToken ct);

    /// <summary>Pauses, resumes, removes or scrubs a mirror's replica.</summary>
    /// <exception cref="PublishingException">UnknownReplica.</exception>
    Task<ReplicaView> ChangeAsync(string fqrn, ReplicaId replica, ReplicaChange change, CancellationToken ct);

    /// <summary>How a wait stands when its condition holds or the patience is over.</summary>
    /// <exception cref="PublishingException">UnknownRepository; NoLeader when nobody could tell.</exception>
    Task<ReplicaWait> WaitAsync(string fqrn, ulong revision, ReplicaCondition condition, TimeSpan patience, CancellationToken ct);
}

/// <summary>A repository as those who follow it see it.</summary>
/// <param name="Definition">What creation fixed.</param>
/// <param name="PublicKeyPem">Public master key; empty when it is not on this node.</param>
/// <param name="Sequence">The last event in effect on this node.</param>
/// <param name="Revision">The revision served here.</param>
/// <param name="Problem">Why this node does not follow the journal; null = it does.</param>
public sealed record FollowedRepository(RepositoryDefinition Definition, string PublicKeyPem, long Sequence, ulong Revision, string? Problem);

/// <summary>What can be done to a replica.</summary>
public abstract record ReplicaChange
{
    private ReplicaChange()
    {
    }

    /// <summary>It takes nothing new, and nobody waits for it.</summary>
    public sealed record Pause : ReplicaChange;

    /// <summary>It goes on.</summary>
    public sealed record Resume : ReplicaChange;

    /// <summary>It is forgotten.</summary>
    public sealed record Remove : ReplicaChange;

    /// <summary>It reads everything it has again.</summary>
    /// <param name="BytesPerSecond">Bound; 0 = its own.</param>
    public sealed record Scrub(long BytesPerSecond) : ReplicaChange;
}

/// <summary>What a replica is doing.</summary>
public enum ReplicaStanding
{
    /// <summary>It has every event a moment after it happened.</summary>
    Following,

    /// <summary>It is behind and gets on.</summary>
    CatchingUp,

    /// <summary>It was told to take nothing new.</summary>
    Paused,

    /// <summary>It gives no sign of life; what it has it may well serve.</summary>
    Unreachable,
}

/// <summary>A replica with its lag.</summary>
public sealed record ReplicaView
{
    /// <summary>As the cluster knows it.</summary>
    public required ReplicaSummary Replica { get; init; }

    /// <summary>What it is doing.</summary>
    public required ReplicaStanding Standing { get; init; }

    /// <summary>Events that are not in effect there.</summary>
    public long LagEvents { get; init; }

    /// <summary>Revisions it does not serve yet.</summary>
    public ulong LagRevisions { get; init; }

    /// <summary>Stored bytes it lacks: what it says itself while it works, else the sum of what the revisions added.</summary>
    public long LagBytes { get; init; }

    /// <summary>How long ago the first event it lacks happened; zero when it lacks none.</summary>
    public TimeSpan LagTime { get; init; }
}
