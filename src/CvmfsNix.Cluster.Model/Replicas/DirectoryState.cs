using System.Collections.Immutable;

namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>An event of a repository's list of replicas.</summary>
public interface IDirectoryEvent
{
    /// <summary>The replica.</summary>
    ReplicaId Replica { get; }

    /// <summary>When.</summary>
    DateTimeOffset At { get; }
}

/// <summary>A replica belongs to the list.</summary>
public sealed record ReplicaListed(ReplicaId Replica, DateTimeOffset At) : IDirectoryEvent;

/// <summary>It belongs to it no more.</summary>
public sealed record ReplicaUnlisted(ReplicaId Replica, DateTimeOffset At) : IDirectoryEvent;

/// <summary>Which replicas a repository has.</summary>
public sealed record DirectoryState
{
    /// <summary>None.</summary>
    public static readonly DirectoryState Empty = new();

    /// <summary>Their ids.</summary>
    public ImmutableSortedSet<string> Replicas { get; init; } = ImmutableSortedSet.Create<string>(StringComparer.Ordinal);

    /// <summary>The state after an event.</summary>
    public DirectoryState Apply(IDirectoryEvent @event)
    {
        ArgumentNullException.ThrowIfNull(@event);
        return @event is ReplicaListed ? this with { Replicas = Replicas.Add(@event.Replica.Value) } : this with { Replicas = Replicas.Remove(@event.Replica.Value) };
    }
}
