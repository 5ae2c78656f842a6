namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>Where the sharded actors live. Thread-safe.</summary>
public interface IShardingView
{
    /// <summary>Names of the kinds of sharded actors; empty while this node is in no cluster.</summary>
    IReadOnlyList<string> Types { get; }

    /// <summary>The shards of a kind that live on this node; null when there is no such kind.</summary>
    Task<IReadOnlyList<ShardState>?> LocalAsync(string type, CancellationToken ct);

    /// <summary>The shards of a kind on every node that answers; null when there is no such kind.</summary>
    Task<IReadOnlyList<RegionState>?> AllAsync(string type, CancellationToken ct);
}

/// <summary>A shard and how many actors live in it.</summary>
public sealed record ShardState(string Shard, int Entities);

/// <summary>The shards of a node.</summary>
/// <param name="Node">Remoting address.</param>
/// <param name="Shards">By number.</param>
public sealed record RegionState(string Node, IReadOnlyList<ShardState> Shards);
