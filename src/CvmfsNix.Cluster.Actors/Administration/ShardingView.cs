using Akka.Actor;
using Akka.Cluster.Sharding;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <inheritdoc cref="IShardingView"/>
internal sealed class ShardingView(CoreSystem core) : IShardingView
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    public IReadOnlyList<string> Types => core.Joined is { } life ? [.. ClusterSharding.Get(life.System).ShardTypeNames.Order(StringComparer.Ordinal)] : [];

    public async Task<IReadOnlyList<ShardState>?> LocalAsync(string type, CancellationToken ct)
    {
        if (Region(type) is not { } region)
            return null;
        var state = await AskAsync<CurrentShardRegionState>(region, GetShardRegionState.Instance, type, ct).ConfigureAwait(false);
        return Ordered(state.Shards.Select(s => new ShardState(s.ShardId, s.EntityIds.Count)));
    }

    public async Task<IReadOnlyList<RegionState>?> AllAsync(string type, CancellationToken ct)
    {
        if (Region(type) is not { } region)
            return null;
        var self = core.Address;
        var all = await AskAsync<ClusterShardingStats>(region, new GetClusterShardingStats(Patience), type, ct).ConfigureAwait(false);
        return [.. all.Regions
            .Select(r => new RegionState(r.Key.HasGlobalScope ? r.Key.ToString() : self, Ordered(r.Value.Stats.Select(s => new ShardState(s.Key, s.Value)))))
            .OrderBy(r => r.Node, StringComparer.Ordinal)];
    }

    private IActorRef? Region(string type)
    {
        if (core.Joined is not { } life)
            throw core.Away();
        var sharding = ClusterSharding.Get(life.System);
        return sharding.ShardTypeNames.Contains(type) ? sharding.ShardRegion(type) : null;
    }

    private static async Task<T> AskAsync<T>(IActorRef region, object question, string type, CancellationToken ct)
    {
        try
        {
            return await region.Ask<T>(question, Patience + Patience, ct).ConfigureAwait(false);
        }
        catch (AskTimeoutException e)
        {
            throw new PublishingException(PublishingCodes.NoLeader, $"The shards of {type} are being moved; not all nodes answered.", type, "Try again; it is safe.", TimeSpan.FromSeconds(1), e);
        }
    }

    private static IReadOnlyList<ShardState> Ordered(IEnumerable<ShardState> shards) =>
        [.. shards.OrderBy(s => int.TryParse(s.Shard, out int number) ? number : int.MaxValue).ThenBy(s => s.Shard, StringComparer.Ordinal)];
}
