using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>cluster-sharding</c>: where the sharded actors live.</summary>
public sealed class ShardingPalette(IShardingView sharding, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("cluster-sharding", "Where sharded actors live",
    [
        new("list-regions", "Kinds of sharded actors", ListAsync),
        new("region-stats", "Shards and actors of each node", StatsAsync, live.ShardType()),
    ]);

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (string type in sharding.Types)
            await output.LineAsync(type, new JsonObject { ["type"] = type });
        return true;
    }

    private async Task<bool> StatsAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (string type in arguments.Text("type") is { } one ? [one] : sharding.Types)
        {
            if (await sharding.AllAsync(type, ct) is not { } regions)
                throw CommandArguments.Wrong("type", $"{type} is no kind of sharded actors; cluster-sharding list-regions shows them.");
            foreach (RegionState region in regions)
            {
                int entities = region.Shards.Sum(s => s.Entities);
                await output.LineAsync(
                    $"{type} | {region.Node} | {region.Shards.Count} shards | {entities} entities",
                    new JsonObject
                    {
                        ["type"] = type,
                        ["node"] = region.Node,
                        ["entities"] = entities,
                        ["shards"] = new JsonArray([.. region.Shards.Select(s => new JsonObject { ["shardId"] = s.Shard, ["numEntities"] = s.Entities })]),
                    });
            }
        }

        return true;
    }
}
