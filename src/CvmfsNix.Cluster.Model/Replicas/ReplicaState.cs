using System.Diagnostics;

namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>A replica as the journal has it.</summary>
public sealed record ReplicaState
{
    /// <summary>Never heard of, or removed.</summary>
    public static readonly ReplicaState Empty = new();

    /// <summary>It counts: it is listed, waited for, and what it serves is not collected.</summary>
    public bool Registered { get; init; }

    /// <summary>Its datacenter.</summary>
    public string Site { get; init; } = "";

    /// <summary>It takes nothing new.</summary>
    public bool Paused { get; init; }

    /// <summary>When it was registered.</summary>
    public DateTimeOffset RegisteredAt { get; init; } = DateTimeOffset.UnixEpoch;

    /// <summary>When its position was last written down.</summary>
    public DateTimeOffset SeenAt { get; init; } = DateTimeOffset.UnixEpoch;

    /// <summary>That position.</summary>
    public ReplicaPosition Position { get; init; } = ReplicaPosition.None;

    /// <summary>The state after an event.</summary>
    public ReplicaState Apply(IReplicaEvent @event) => @event switch
    {
        ReplicaRegistered e => this with { Registered = true, Site = e.Site, RegisteredAt = Registered ? RegisteredAt : e.At },
        ReplicaPaused when Registered => this with { Paused = true },
        ReplicaResumed when Registered => this with { Paused = false },
        ReplicaRemoved => Empty,
        ReplicaSeen e when Registered => this with { SeenAt = e.At, Position = e.Position },
        _ => throw new UnreachableException($"A replica that is {(Registered ? "" : "not ")}registered has no rule for the event {@event}."),
    };
}
