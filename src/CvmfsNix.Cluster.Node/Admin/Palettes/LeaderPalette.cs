using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>leader</c>: the node that commits.</summary>
public sealed class LeaderPalette(IPublishingCore core, IOperations operations) : IPaletteSource
{
    public Palette Palette => new("leader", "The node that commits",
    [
        new("show", "Who leads, and since which epoch", ShowAsync),
        new("transfer", "The leader hands over to another node, and its node joins the cluster anew", TransferAsync) { Scope = AdminScope.Operate, Destructive = true },
    ]);

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        ClusterStatus status = await core.StatusAsync(ct);
        if (status.Leader is not { } leader)
        {
            await output.NoteAsync("No leader answers at present.");
            return false;
        }

        await output.LineAsync($"{leader} | epoch {status.Epoch}", new JsonObject { ["leader"] = leader, ["epoch"] = status.Epoch });
        return true;
    }

    private async Task<bool> TransferAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string now = await operations.TransferLeadershipAsync(ct);
        await output.LineAsync($"{now} leads", new JsonObject { ["leader"] = now });
        return true;
    }
}
