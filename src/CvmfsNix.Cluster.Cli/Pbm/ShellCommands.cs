using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>Commands of <c>cvmfsnix</c> that are commands of the shell by another name: asked, confirmed and written down in the same way.</summary>
internal static class ShellCommands
{
    /// <summary><c>revision list</c>, <c>show</c>, <c>diff</c>.</summary>
    public static Command BuildRevision(CommandContext context) =>
        new("revision", "Look at the history of a repository") { List(context), Show(context), Difference(context) };

    /// <summary><c>repo rollback</c>.</summary>
    public static Command BuildRollback(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var to = new Option<string>("--to") { Description = "Tag or revision to go back to, or trunk-previous", HelpName = "TAG|REVISION", Required = true };
        Option<bool> yes = Yes();
        var command = new Command("rollback", "Make what an earlier revision had the newest one; what was withdrawn stays away") { repository, to, yes };
        context.Handle(command, (parse, ct) => RunAsync(context, parse, ["repo", "rollback", "-r", parse.GetRequiredValue(repository), "--to", parse.GetRequiredValue(to)], parse.GetValue(yes), ct));
        return command;
    }

    /// <summary>Confirms what cannot be taken back.</summary>
    public static Option<bool> Yes() => new("--yes", "-y") { Description = "Confirm it; at a terminal it is asked for otherwise" };

    /// <summary>Runs a command of the shell on a node.</summary>
    public static async Task<int> RunAsync(CommandContext context, ParseResult parse, IReadOnlyList<string> words, bool confirmed, CancellationToken ct)
    {
        using var client = new PbmClient(context.Global.Settings(parse), context.Terminal, context.Clock);
        var runner = new PbmRunner(client, context.Terminal, context.Clock, PbmProgram.Question(context));
        return await runner.RunAsync(new PbmArguments { Words = words, Yes = confirmed, Json = context.Json(parse) }, ct);
    }

    private static Command List(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var count = new Option<int>("--count", "-n") { Description = "How many (default 10)", HelpName = "N", DefaultValueFactory = _ => 10 };
        var command = new Command("list", "The newest revisions, newest first") { repository, count };
        context.Handle(command, (parse, ct) => RunAsync(
            context, parse, ["revision", "list", "-r", parse.GetRequiredValue(repository), "-n", Text(parse.GetValue(count))], false, ct));
        return command;
    }

    private static Command Show(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        Argument<ulong> revision = Revision("REVISION", "The revision");
        var command = new Command("show", "A revision in full") { repository, revision };
        context.Handle(command, (parse, ct) => RunAsync(
            context, parse, ["revision", "show", "-r", parse.GetRequiredValue(repository), "-n", Text(parse.GetValue(revision))], false, ct));
        return command;
    }

    private static Command Difference(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        Argument<ulong> from = Revision("FROM", "The older revision");
        var to = new Argument<ulong?>("TO") { Description = "The newer revision (default: the newest)", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("diff", "Paths that came and went between two revisions") { repository, from, to };
        context.Handle(command, (parse, ct) => RunAsync(
            context,
            parse,
            ["revision", "diff", "-r", parse.GetRequiredValue(repository), "--from", Text(parse.GetValue(from)), .. parse.GetValue(to) is { } upTo ? (string[])["--to", Text(upTo)] : []],
            false,
            ct));
        return command;
    }

    private static Argument<ulong> Revision(string name, string description) => new(name) { Description = description };

    private static string Text<T>(T number)
        where T : IFormattable => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture);
}
