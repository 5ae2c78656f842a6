using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration.Audit;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>audit</c>: what operators changed.</summary>
public sealed class AuditPalette(IAuditLog audit, TimeProvider time) : IPaletteSource
{
    private const int LinesUsual = 20;
    private const int LinesMax = 10_000;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    public Palette Palette => new("audit", "What operators changed, on every node",
    [
        new("list", "The last changes, oldest first", ListAsync, LiveValues.Count($"Lines (default {LinesUsual})")),
        new("tail", "The last changes, and new ones as they come", TailAsync, LiveValues.Count($"Lines to begin with (default {LinesUsual})")) { Endless = true },
    ]);

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (AuditEntry entry in await audit.LastAsync(Count(arguments), ct))
            await WriteAsync(output, entry);
        return true;
    }

    private async Task<bool> TailAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        IReadOnlyList<AuditEntry> entries = await audit.LastAsync(Count(arguments), ct);
        long last = 0;
        while (true)
        {
            foreach (AuditEntry entry in entries)
            {
                await WriteAsync(output, entry);
                last = entry.Number;
            }

            await Task.Delay(LookEvery, time, ct);
            entries = await audit.AfterAsync(last, LinesMax, ct);
        }
    }

    private static int Count(CommandArguments arguments) => (int)Math.Clamp(arguments.Number("count", LinesUsual), 0, LinesMax);

    private static Task WriteAsync(ICommandOutput output, AuditEntry e) => output.LineAsync(
        $"{e.Number} | {Shown.Time(e.At)} | {e.Who} | {e.Node} | {e.Command} {e.Arguments} | {e.Outcome}",
        new JsonObject
        {
            ["number"] = e.Number,
            ["at"] = Shown.Time(e.At),
            ["who"] = e.Who,
            ["node"] = e.Node,
            ["command"] = e.Command,
            ["arguments"] = JsonNode.Parse(e.Arguments.EndsWith('}') ? e.Arguments : "{}"),
            ["outcome"] = e.Outcome,
        });
}
