using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>actor</c>: the actors of the node that is asked.</summary>
public sealed class ActorPalette(IActorTree tree) : IPaletteSource
{
    private const int DepthUsual = 4;

    public Palette Palette => new("actor", "Actors of the node that is asked",
    [
        new("hierarchy", "Paths of actors, one a line", HierarchyAsync,
            new CommandArgument("depth", $"Most names of a path below the start (default {DepthUsual})", "-d", "--depth") { Suggested = ["2", "4", "8"] },
            new CommandArgument("start", "Only at and below this path", "-s", "--start") { Suggested = ["/user", "/system"] }),
    ]);

    private async Task<bool> HierarchyAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (string path in tree.Paths(arguments.Text("start"), (int)Math.Min(100, arguments.Number("depth", DepthUsual))))
            await output.LineAsync(path, new JsonObject { ["path"] = path });
        return true;
    }
}
