using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Recovery.Mending;

namespace CvmfsNix.Cluster.Cli.Backups;

/// <summary><c>repo recover</c>: mends a journal that is behind its stores.</summary>
internal static class RecoverCommand
{
    public static Command Build(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var place = new NodePlace();
        var witnesses = new Option<string[]>("--witness") { Description = "Data folder, or a copy of one, of another node or mirror that has seen more; may be given again", HelpName = "DIR" };
        var giveUp = new Option<bool>("--give-up-lost") { Description = "Give up revisions whose events nobody has, and go on above all that was served" };
        var above = new Option<ulong>("--above") { Description = "A revision that was served by somebody out of reach", HelpName = "N" };
        var complete = new Option<bool>("--complete") { Description = "Every store that ever followed the repository is given: no revision can have been served that none of them has seen, and numbers go on without a gap" };
        var yes = new Option<bool>("--yes") { Description = "Do it; without this it is only said what would be done" };
        var command = new Command("recover", "Mend a journal that is behind its stores (JournalBehindStores); run it where a core node was, while none runs") { repository, witnesses, giveUp, above, complete, yes };
        place.AddTo(command);
        context.Handle(command, async (parse, cancellationToken) =>
        {
            MendResult? result = null;
            await BackupCommands.GuardAsync(async () => result = await new MendRun(
                new MendRequest
                {
                    Repository = parse.GetRequiredValue(repository),
                    DataDirectory = place.Data(parse),
                    Journal = place.Journal(parse),
                    Witnesses = parse.GetValue(witnesses) ?? [],
                    GiveUpLost = parse.GetValue(giveUp),
                    Above = parse.GetValue(above),
                    Complete = parse.GetValue(complete),
                    Confirmed = parse.GetValue(yes),
                    Who = $"{Environment.UserName}@{Environment.MachineName}",
                },
                context.Clock).RunAsync(cancellationToken));
            bool confirmed = parse.GetValue(yes) || result!.To == result.From;
            Print(context, parse, result!, confirmed);
            return confirmed ? ExitCode.Done : ExitCode.Usage;
        });
        return command;
    }

    private static void Print(CommandContext context, ParseResult parse, MendResult result, bool done)
    {
        if (!done)
            context.Terminal.Note("nothing was changed: --yes does it");
        if (context.Json(parse))
        {
            context.Terminal.Json(
                new RecoverJson(result.Repository, done, result.From, result.To, result.Restored, result.Filled, result.Revision, result.RootHash, result.LostRevisions, result.ContinuesAfter),
                JsonShapes.Plain.RecoverJson);
            return;
        }

        Terminal terminal = context.Terminal;
        if (result.To == result.From)
        {
            terminal.Line($"the journal of {result.Repository} lacks nothing that these stores have seen: event {result.From}, revision {result.Revision}");
            return;
        }

        terminal.Line($"journal    {result.Repository}: event {result.From} {(done ? "was" : "is")} the last, {result.To} {(done ? "is" : "would be")} ({result.Restored} brought back)");
        terminal.Line($"revision   {result.Revision}, root {result.RootHash}");
        if (result.Filled > 0)
            terminal.Line($"given up   {result.Filled} events that nobody has");
        if (result.LostRevisions.Count > 0)
            terminal.Line($"lost       revisions {result.LostRevisions[0]} to {result.LostRevisions[^1]}: publish their paths again");
        if (result.ContinuesAfter > 0)
            terminal.Line($"next       revision {result.ContinuesAfter + 1}");
    }
}
