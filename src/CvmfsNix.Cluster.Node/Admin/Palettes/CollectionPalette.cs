using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Control;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>gc</c>: removal of what the rules do not keep, and collection of objects.</summary>
public sealed class CollectionPalette(RetentionAdministration retention, LiveValues live) : IPaletteSource
{
    private const int LinesUsual = 20;

    public Palette Palette => new("gc", "Removal of paths that no rule keeps, collection of objects that nothing needs",
    [
        new("status", "What is removed, what waits for its grace, and the collection on this node", StatusAsync, live.Repository()),
        new("dry-run", "What would go by the rules, and why the rest stays", DryRunAsync, live.Repository(), LiveValues.Count($"Lines of each kind (default {LinesUsual})")),
        new("start", "Remove what the rules do not keep, and collect soon", StartAsync, live.Repository()) { Scope = AdminScope.Operate },
        new("pause", "Have all core nodes remove and delete nothing until it is resumed; mirrors go on", (a, o, ct) => PauseAsync(a, true, o, ct), live.Repository()) { Scope = AdminScope.Operate },
        new("resume", "Let removal and collection go on", (a, o, ct) => PauseAsync(a, false, o, ct), live.Repository()) { Scope = AdminScope.Operate },
    ]);

    private async Task<bool> StatusAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        CollectionInfo c = await retention.StatusAsync(new GetCollectionRequest { Repository = arguments.Repository() }, ct);
        var lines = new List<string>
        {
            $"repository         {c.Repository}{(c.Paused ? ", paused" : "")}",
            $"removal            {(c.Removing ? $"running, {c.PathsRemoved} paths removed, {c.PathsLeft} left" : c.RemovalEndedAt > 0 ? $"{c.PathsRemoved} paths by {Time(c.RemovalEndedAt)}" : "none since the leader started")}{Problem(c.RemovalProblem)}",
        };
        lines.AddRange(c.Waiting.Select(w => $"grace              {w.Paths} paths that revision {w.Revision} of {Time(w.At)} removed"));
        if (c.HeldBy.Length > 0)
            lines.Add($"held back          by {c.HeldBy} in {c.HeldSite}, which serves revision {c.HeldAt}");
        lines.Add($"collection         {(c.Collecting ? $"running since {Time(c.CollectionStartedAt)}" : c.CollectionEndedAt > 0 ? $"ended {Time(c.CollectionEndedAt)}" : "none since the node started")}{Problem(c.CollectionProblem)}");
        lines.Add($"live               {c.LiveObjects} objects, {Shown.Bytes(c.LiveBytes)}");
        lines.Add($"too young          {c.YoungObjects} objects, {Shown.Bytes(c.YoungBytes)}");
        lines.Add($"collectable        {c.CollectableObjects} objects, {Shown.Bytes(c.CollectableBytes)}");
        lines.Add($"deleted            {c.DeletedObjects} objects, {Shown.Bytes(c.DeletedBytes)}");
        await output.LineAsync(string.Join('\n', lines), Json(c));
        return c.CollectionProblem.Length == 0 && c.RemovalProblem.Length == 0;
    }

    private async Task<bool> DryRunAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        int count = (int)Math.Min(arguments.Number("count", LinesUsual, 1), int.MaxValue);
        string repository = arguments.Repository();
        (string plan, int from, int went, int kept) = ("", 0, 0, 0);
        while (true)
        {
            PlanRemovalReply part = await retention.PlanAsync(new PlanRemovalRequest { Repository = repository, Plan = plan, From = from }, ct);
            foreach (PlannedPath path in part.Paths)
            {
                bool goes = path.Reason.Length == 0;
                if ((goes ? went++ : kept++) < count)
                {
                    await output.LineAsync(
                        goes ? $"remove | {path.Path}" : $"keep | {path.Path} | {path.Reason} {path.What}".TrimEnd(),
                        new JsonObject { ["path"] = path.Path, ["kept"] = !goes, ["reason"] = goes ? null : path.Reason, ["what"] = goes ? null : path.What });
                }
            }

            (plan, from) = (part.Plan, from + part.Paths.Count);
            if (part.More && (went < count || kept < count))
                continue;
            await output.NoteAsync($"Count: {part.Removed} paths would go, {part.Kept} stay");
            return true;
        }
    }

    private async Task<bool> StartAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        CollectionInfo c = await retention.RunAsync(new RunRemovalRequest { Repository = arguments.Repository(), By = By }, ct);
        await output.LineAsync($"{c.Repository}: the removal is started; gc status tells how it goes", new JsonObject { ["repository"] = c.Repository, ["removing"] = c.Removing });
        return true;
    }

    private async Task<bool> PauseAsync(CommandArguments arguments, bool pause, ICommandOutput output, CancellationToken ct)
    {
        string repository = arguments.Repository();
        await retention.PauseAsync(repository, pause, By, ct);
        await output.LineAsync($"{repository}: {(pause ? "paused; nothing is removed or deleted" : "resumed")}", new JsonObject { ["repository"] = repository, ["paused"] = pause });
        return true;
    }

    // Who it was is in the audit log.
    private const string By = "pbm";

    private static JsonObject Json(CollectionInfo c) => new()
    {
        ["repository"] = c.Repository,
        ["paused"] = c.Paused,
        ["removing"] = c.Removing,
        ["pathsRemoved"] = c.PathsRemoved,
        ["pathsLeft"] = c.PathsLeft,
        ["removalEndedAt"] = c.RemovalEndedAt > 0 ? Time(c.RemovalEndedAt) : null,
        ["removalProblem"] = c.RemovalProblem.Length > 0 ? c.RemovalProblem : null,
        ["waiting"] = new JsonArray([.. c.Waiting.Select(w => (JsonNode)new JsonObject { ["revision"] = w.Revision, ["at"] = Time(w.At), ["paths"] = w.Paths })]),
        ["heldBy"] = c.HeldBy.Length > 0 ? c.HeldBy : null,
        ["collecting"] = c.Collecting,
        ["collectionEndedAt"] = c.CollectionEndedAt > 0 ? Time(c.CollectionEndedAt) : null,
        ["collectionProblem"] = c.CollectionProblem.Length > 0 ? c.CollectionProblem : null,
        ["liveObjects"] = c.LiveObjects,
        ["liveBytes"] = c.LiveBytes,
        ["youngObjects"] = c.YoungObjects,
        ["youngBytes"] = c.YoungBytes,
        ["collectableObjects"] = c.CollectableObjects,
        ["collectableBytes"] = c.CollectableBytes,
        ["deletedObjects"] = c.DeletedObjects,
        ["deletedBytes"] = c.DeletedBytes,
    };

    private static string Time(long seconds) => Shown.Time(DateTimeOffset.FromUnixTimeSeconds(seconds));

    private static string Problem(string problem) => problem.Length == 0 ? "" : $"; {problem}";
}
