namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>What is written down of a replica. Positions are not: a mirror tells its own whenever it connects.</summary>
public interface IReplicaEvent
{
    /// <summary>When.</summary>
    DateTimeOffset At { get; }
}

/// <summary>A mirror said hello for the first time, or from another site than before.</summary>
public sealed record ReplicaRegistered(string Site, DateTimeOffset At) : IReplicaEvent;

/// <summary>It is to take nothing new, and nobody waits for it.</summary>
public sealed record ReplicaPaused(DateTimeOffset At) : IReplicaEvent;

/// <summary>It goes on.</summary>
public sealed record ReplicaResumed(DateTimeOffset At) : IReplicaEvent;

/// <summary>It is forgotten; another hello makes it a new one.</summary>
public sealed record ReplicaRemoved(DateTimeOffset At) : IReplicaEvent;

/// <summary>
/// It was there, and served this. Written down now and then: after a restart of the cluster it tells what must not be collected until the
/// mirror speaks for itself.
/// </summary>
public sealed record ReplicaSeen(ReplicaPosition Position, DateTimeOffset At) : IReplicaEvent;
