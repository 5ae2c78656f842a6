using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>What replicas and their directories are asked and told.</summary>
public static class ReplicaProtocol
{
    // ---- to a replica ----

    /// <summary>A message about one replica.</summary>
    public interface IReplicaMessage
    {
        /// <summary>Repository and mirror.</summary>
        ReplicaKey Key { get; }
    }

    /// <summary>A stream of the mirror was opened: registers it if need be. Repeated until <see cref="Connected"/>.</summary>
    /// <param name="Key">Repository and mirror.</param>
    /// <param name="Session">The stream; the newest one counts.</param>
    /// <param name="Site">Its datacenter.</param>
    /// <param name="DataUrl">How siblings reach it; empty = they cannot.</param>
    /// <param name="Position">Where it stands.</param>
    public sealed record Connect(ReplicaKey Key, Guid Session, string Site, string DataUrl, ReplicaPosition Position) : IReplicaMessage;

    /// <summary>A sign of life; with a position when there is news.</summary>
    public sealed record Report(ReplicaKey Key, Guid Session, string DataUrl, ReplicaPosition? Position) : IReplicaMessage;

    /// <summary>How its scrub goes.</summary>
    public sealed record ReportScrub(ReplicaKey Key, Guid Session, ScrubState Scrub) : IReplicaMessage;

    /// <summary>The stream ended.</summary>
    public sealed record Disconnect(ReplicaKey Key, Guid Session) : IReplicaMessage;

    /// <summary>Asks for its state. Answered by <see cref="ReplicaIs"/>.</summary>
    public sealed record GetReplica(ReplicaKey Key) : IReplicaMessage;

    /// <summary>Takes nothing new until it is resumed. Answered by <see cref="ReplicaIs"/>, as the next three.</summary>
    public sealed record Pause(ReplicaKey Key) : IReplicaMessage;

    /// <summary>Goes on.</summary>
    public sealed record Resume(ReplicaKey Key) : IReplicaMessage;

    /// <summary>Forgets it.</summary>
    public sealed record Remove(ReplicaKey Key) : IReplicaMessage;

    /// <summary>Has it read everything it has again.</summary>
    /// <param name="Key">Repository and mirror.</param>
    /// <param name="BytesPerSecond">Bound; 0 = the mirror's own.</param>
    public sealed record Scrub(ReplicaKey Key, long BytesPerSecond) : IReplicaMessage;

    /// <summary>The directory tells it which siblings it has; passed on to its stream.</summary>
    public sealed record SiblingsAre(ReplicaKey Key, IReadOnlyList<string> DataUrls) : IReplicaMessage
    {
        public bool Equals(SiblingsAre? other) => other is not null && Key == other.Key && DataUrls.SequenceEqual(other.DataUrls);

        public override int GetHashCode() => HashCode.Combine(Key, DataUrls.Count);
    }

    // ---- to the directory of a repository ----

    /// <summary>A message to the directory of a repository.</summary>
    public interface IDirectoryMessage
    {
        /// <summary>The repository.</summary>
        RepositoryId Repository { get; }
    }

    /// <summary>A replica tells how it is. Repeated as long as it is connected; also an answer.</summary>
    /// <param name="Replica">The replica.</param>
    /// <param name="Confirm">The directory is to answer with <see cref="Listed"/> once it is on the list for good.</param>
    public sealed record ReplicaIs(ReplicaSummary Replica, bool Confirm = false) : IDirectoryMessage
    {
        public RepositoryId Repository => Replica.Key.Repository;
    }

    /// <summary>Asks for replicas, by name. Answered by <see cref="ReplicaList"/> when all of them are known.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="After">Only those with a name beyond this one; empty = from the first.</param>
    public sealed record ListReplicas(RepositoryId Repository, string After = "") : IDirectoryMessage;

    /// <summary>A part of the replicas of a repository.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Replicas">By name.</param>
    /// <param name="More">There are others beyond these.</param>
    public sealed record ReplicaList(RepositoryId Repository, IReadOnlyList<ReplicaSummary> Replicas, bool More)
    {
        /// <summary>Most replicas of one message, which keeps it far below the transport's frame.</summary>
        public const int ReplicasMax = 100;

        public bool Equals(ReplicaList? other) => other is not null && Repository == other.Repository && Replicas.SequenceEqual(other.Replicas) && More == other.More;

        public override int GetHashCode() => HashCode.Combine(Repository, Replicas.Count);
    }

    /// <summary>Waits for replicas. Answered by <see cref="ReplicaWaitIs"/> when the condition holds, or when the patience is over.</summary>
    public sealed record AwaitReplicas(RepositoryId Repository, ulong Revision, ReplicaCondition Condition, TimeSpan Patience) : IDirectoryMessage;

    /// <summary>How a wait stands; of many replicas it names the first <see cref="ReplicaList.ReplicasMax"/>.</summary>
    public sealed record ReplicaWaitIs(ReplicaWait Wait);

    /// <summary>The directory tells a replica that it is on the list, and that this is written down.</summary>
    public sealed record Listed(ReplicaKey Key) : IReplicaMessage;

    // ---- to a stream ----

    /// <summary>The replica knows of the stream, and is registered.</summary>
    public sealed record Connected(ReplicaKey Key, Guid Session, bool Paused);

    /// <summary>It was paused or resumed.</summary>
    public sealed record PausedIs(ReplicaKey Key, bool Paused);

    /// <summary>It is to scrub.</summary>
    public sealed record ScrubWanted(ReplicaKey Key, long BytesPerSecond);

    /// <summary>It was removed.</summary>
    public sealed record Forgotten(ReplicaKey Key);

    /// <summary>The replica is not known: it has to be connected again.</summary>
    public sealed record NotRegistered(ReplicaKey Key);

    /// <summary>The mirror opened another stream; this one is to end.</summary>
    public sealed record SessionSuperseded(ReplicaKey Key, Guid Session);
}
