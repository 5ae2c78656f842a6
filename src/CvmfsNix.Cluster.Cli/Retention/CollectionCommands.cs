using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Retention;

/// <summary><c>gc</c>: removes what the rules do not keep, or tells what it would remove and why the rest stays.</summary>
internal static class CollectionCommands
{
    public static Command Build(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var dryRun = new Option<bool>("--dry-run") { Description = "Only tell what would go, and why every other path stays" };
        var command = new Command("gc", "Remove what the rules of retention do not keep") { repository, dryRun, Status(context) };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            IReadOnlyList<string> names = await NamesAsync(control, parse.GetValue(repository), cancellationToken);
            if (parse.GetValue(dryRun))
            {
                foreach (string name in names)
                    Print(context, parse, await PlanAsync(control, name, cancellationToken));
                return ExitCode.Done;
            }

            var started = new List<CollectionJson>();
            foreach (string name in names)
            {
                var request = new RunRemovalRequest { Repository = name, By = Who.Am };
                started.Add(ToJson(await control.AskAsync((client, options) => client.RunRemovalAsync(request, options), cancellationToken)));
            }

            Print(context, parse, started);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Status(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var command = new Command("status", "Show removals, and the collection of objects on the node that answers") { repository };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var all = new List<CollectionJson>();
            foreach (string name in await NamesAsync(control, parse.GetValue(repository), cancellationToken))
                all.Add(ToJson(await control.AskAsync((client, options) => client.GetCollectionAsync(new GetCollectionRequest { Repository = name }, options), cancellationToken)));
            Print(context, parse, all);
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<IReadOnlyList<string>> NamesAsync(ControlPlane control, string? repository, CancellationToken cancellationToken)
    {
        if (repository is not null)
            return [repository];
        ListRepositoriesReply reply = await control.AskAsync((client, options) => client.ListRepositoriesAsync(new ListRepositoriesRequest(), options), cancellationToken);
        return [.. reply.Repositories.Select(r => r.Repository)];
    }

    private static async Task<PlanJson> PlanAsync(ControlPlane control, string repository, CancellationToken cancellationToken)
    {
        var paths = new List<PlannedPathJson>();
        string plan = "";
        while (true)
        {
            var request = new PlanRemovalRequest { Repository = repository, Plan = plan, From = paths.Count };
            PlanRemovalReply part = await control.AskAsync((client, options) => client.PlanRemovalAsync(request, options), cancellationToken);
            plan = part.Plan;
            paths.AddRange(part.Paths.Select(p => p.Reason.Length == 0 ? new PlannedPathJson(p.Path, false, null, null) : new PlannedPathJson(p.Path, true, p.Reason, p.What)));
            if (!part.More)
                return new PlanJson(repository, part.Removed, part.Kept, paths);
        }
    }

    private static void Print(CommandContext context, ParseResult parse, PlanJson plan)
    {
        if (context.Json(parse))
        {
            context.Terminal.Json(plan, RetentionShapes.Plain.PlanJson);
            return;
        }

        Terminal terminal = context.Terminal;
        foreach (PlannedPathJson path in plan.Paths)
            terminal.Line(path.Kept ? $"keep    {path.Path}  {Why(path)}" : $"remove  {path.Path}");
        terminal.Line($"{plan.Repository}: {plan.Removed} paths would go, {plan.Kept} stay");
    }

    private static string Why(PlannedPathJson path) => path.Reason switch
    {
        "profile" => $"profile {path.What}",
        "pin" => $"pinned until {path.What}",
        "tag" => $"tag {path.What}",
        "recent" => $"published {path.What}",
        "reference" => $"needed by {path.What}",
        _ => "needs itself by way of others",
    };

    private static void Print(CommandContext context, ParseResult parse, IReadOnlyList<CollectionJson> all)
    {
        if (context.Json(parse))
        {
            context.Terminal.Json(all, RetentionShapes.Plain.IReadOnlyListCollectionJson);
            return;
        }

        Terminal terminal = context.Terminal;
        foreach (CollectionJson c in all)
        {
            terminal.Line($"{c.Repository}");
            terminal.Line($"  removal     {(c.Removing ? $"running: {c.PathsRemoved} paths removed, {c.PathsLeft} left" : c.RemovalEndedAt is { } ended ? $"{c.PathsRemoved} paths removed by {ended}" : "none since the leader started")}{Problem(c.RemovalProblem)}");
            if (c.Paused)
                terminal.Line("  paused      nothing is removed or deleted until it is resumed");
            foreach (RemovedGroupJson group in c.Waiting)
                terminal.Line($"  grace       {group.Paths} paths that revision {group.Revision} of {group.At} removed");
            if (c.HeldBy is { } holder)
                terminal.Line($"  held back   by {holder}{(c.HeldSite is { } site ? $" in {site}" : "")}, which still serves revision {c.HeldAt}: what was removed since stays until it moves on or is taken out");
            terminal.Line($"  collection  {(c.Collecting ? "running" : c.CollectionEndedAt is { } at ? $"ended {at}: {c.DeletedObjects} objects of {Terminal.Bytes(c.DeletedBytes)} deleted" : "none since the node started")}{Problem(c.CollectionProblem)}");
            terminal.Line($"  objects     {c.LiveObjects} of {Terminal.Bytes(c.LiveBytes)} needed, {c.YoungObjects} of {Terminal.Bytes(c.YoungBytes)} not needed and too young to go");
        }
    }

    private static string Problem(string? problem) => problem is null ? "" : $"; {problem}";

    private static CollectionJson ToJson(CollectionInfo c) => new(
        c.Repository,
        c.Removing,
        c.PathsLeft,
        c.PathsRemoved,
        Time(c.RemovalEndedAt),
        Text(c.RemovalProblem),
        [.. c.Waiting.Select(w => new RemovedGroupJson(w.Revision, Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(w.At)), w.Paths))],
        Text(c.HeldBy),
        Text(c.HeldSite),
        c.HeldBy.Length == 0 ? null : c.HeldAt,
        c.Collecting,
        Time(c.CollectionEndedAt),
        Text(c.CollectionProblem),
        c.LiveObjects,
        c.LiveBytes,
        c.YoungObjects,
        c.YoungBytes,
        c.DeletedObjects,
        c.DeletedBytes,
        c.Paused,
        c.CollectableObjects,
        c.CollectableBytes);

    private static string? Time(long seconds) => seconds == 0 ? null : Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(seconds));

    private static string? Text(string text) => text.Length == 0 ? null : text;
}
