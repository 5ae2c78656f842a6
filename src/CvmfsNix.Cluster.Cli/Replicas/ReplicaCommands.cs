using System.CommandLine;
using System.Globalization;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Replicas;

/// <summary><c>replica list|show|pause|resume|remove|scrub</c>: the mirrors that follow.</summary>
internal static class ReplicaCommands
{
    public static Command Build(CommandContext context) => new("replica", "Show and look after the mirrors that follow")
    {
        List(context),
        Show(context),
        Change(context, "pause", "Have a mirror take nothing new; it serves on, and nobody waits for it", ReplicaAction.ReplicaPause),
        Change(context, "resume", "Have a paused mirror go on", ReplicaAction.ReplicaResume),
        Change(context, "remove", "Forget a mirror that is gone for good; one that comes back is registered anew", ReplicaAction.ReplicaRemove),
        Scrub(context),
    };

    private static Command List(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var command = new Command("list", "Show all mirrors and how far they are behind") { repository };
        context.Handle(command, (parse, cancellationToken) => AskAsync(context, parse, new ListReplicasRequest { Repository = parse.GetValue(repository) ?? "" }, cancellationToken));
        return command;
    }

    private static Command Show(CommandContext context)
    {
        Argument<string> replica = Replica();
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var command = new Command("show", "Show one mirror, in all repositories it follows") { replica, repository };
        context.Handle(command, (parse, cancellationToken) => AskAsync(
            context, parse, new ListReplicasRequest { Replica = parse.GetRequiredValue(replica), Repository = parse.GetValue(repository) ?? "" }, cancellationToken));
        return command;
    }

    private static Command Change(CommandContext context, string name, string description, ReplicaAction action)
    {
        Argument<string> replica = Replica();
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var command = new Command(name, description) { replica, repository };
        context.Handle(command, (parse, cancellationToken) => ChangeAsync(
            context, parse, new ChangeReplicaRequest { Replica = parse.GetRequiredValue(replica), Repository = parse.GetValue(repository) ?? "", Action = action }, cancellationToken));
        return command;
    }

    private static Command Scrub(CommandContext context)
    {
        Argument<string> replica = Replica();
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var rate = new Option<long>("--bytes-per-second") { Description = "Read no faster than this (default: the mirror's own limit)", HelpName = "N" };
        rate.Validators.Add(r =>
        {
            if (r.Tokens is [var token] && long.TryParse(token.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value < 1)
                r.AddError("--bytes-per-second is a number above 0.");
        });
        var command = new Command("scrub", "Have a mirror read everything it has again and fetch what is damaged; see replica show") { replica, repository, rate };
        context.Handle(command, (parse, cancellationToken) => ChangeAsync(
            context,
            parse,
            new ChangeReplicaRequest
            {
                Replica = parse.GetRequiredValue(replica),
                Repository = parse.GetValue(repository) ?? "",
                Action = ReplicaAction.ReplicaScrub,
                BytesPerSecond = parse.GetValue(rate),
            },
            cancellationToken));
        return command;
    }

    private static async Task<int> AskAsync(CommandContext context, ParseResult parse, ListReplicasRequest request, CancellationToken cancellationToken)
    {
        using ControlPlane control = context.Control(parse);
        Print(context, parse, await control.AskAsync((client, options) => client.ListReplicasAsync(request, options), cancellationToken));
        return ExitCode.Done;
    }

    private static async Task<int> ChangeAsync(CommandContext context, ParseResult parse, ChangeReplicaRequest request, CancellationToken cancellationToken)
    {
        using ControlPlane control = context.Control(parse);
        Print(context, parse, await control.AskAsync((client, options) => client.ChangeReplicaAsync(request, options), cancellationToken));
        return ExitCode.Done;
    }

    private static void Print(CommandContext context, ParseResult parse, ListReplicasReply reply)
    {
        IReadOnlyList<ReplicaJson> list = [.. reply.Replicas.Select(ReplicaViews.ToJson)];
        if (context.Json(parse))
        {
            context.Terminal.Json(list, JsonShapes.Plain.IReadOnlyListReplicaJson);
            return;
        }

        foreach (ReplicaJson r in list)
        {
            context.Terminal.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{r.Repository}  {r.Replica} ({r.Site})  {r.State}  revision {r.Revision}, {r.LagRevisions} revisions, {Terminal.Bytes(r.LagBytes)} and {r.LagSeconds:0.0} s behind, last seen {r.LastSeenAt}"));
            if (r.Problem is { } problem)
                context.Terminal.Line($"  problem: {problem}");
            if (r.LastTrouble is { } trouble)
                context.Terminal.Line($"  last trouble, {trouble.At}: {trouble.Text}");
            if (r.Scrub is { } s)
                context.Terminal.Line($"  scrub {(s.Running ? "running since" : "of")} {s.StartedAt}: {s.Objects} objects, {Terminal.Bytes(s.Bytes)} read, {s.Damaged} damaged, {s.Repaired} repaired{(s.Problem is null ? "" : $"; {s.Problem}")}");
        }
    }

    private static Argument<string> Replica()
    {
        var argument = new Argument<string>("ID") { Description = "Replica id, as replica list shows it" };
        argument.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is { } id && !Arguments.IsReplicaName(id))
                r.AddError($"\"{id}\" is not a replica id: 1 to 64 letters, digits, dots, dashes or underscores.");
        });
        return argument;
    }
}
