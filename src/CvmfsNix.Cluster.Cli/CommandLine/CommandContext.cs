using System.CommandLine;
using System.CommandLine.Parsing;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.CommandLine;

/// <summary>What every command gets: where to write, the common switches, the clock, and standard input.</summary>
internal sealed record CommandContext(Terminal Terminal, GlobalOptions Global, TimeProvider Clock, Func<TextReader> Input)
{
    private readonly Dictionary<Command, Action<CommandResult, Action<string>>> _checks = [];

    /// <summary>
    /// Adds a check of how the switches of <paramref name="command"/> go together. The library's own validators of a command
    /// hide the mistakes in its switches; all are to be named at once.
    /// </summary>
    public void Check(Command command, Action<CommandResult, Action<string>> check) => _checks.Add(command, check);

    /// <summary>Everything that is wrong with a command line; empty when it can be run.</summary>
    public IReadOnlyList<string> Mistakes(ParseResult parse)
    {
        List<string> mistakes = [.. parse.Errors.Select(e => WithoutTypeNames(e.Message))];
        if (_checks.TryGetValue(parse.CommandResult.Command, out Action<CommandResult, Action<string>>? check))
            check(parse.CommandResult, mistakes.Add);
        return [.. mistakes.Distinct()];
    }

    // "… as expected type 'System.Nullable`1[System.Double]'" helps nobody at a command line.
    private static string WithoutTypeNames(string message) =>
        message.IndexOf(" as expected type", StringComparison.Ordinal) is var at and > 0 ? message[..at] + "." : message;

    /// <summary>Whether the result is to be JSON.</summary>
    public bool Json(ParseResult parse) => parse.GetValue(Global.Json);

    /// <summary>Connections to the nodes; the caller disposes of them.</summary>
    public ControlPlane Control(ParseResult parse) => new(Global.Settings(parse), Terminal, Clock);

    /// <summary>Makes <paramref name="command"/> run <paramref name="body"/>; its failures become the text, JSON and exit code of the contract.</summary>
    public void Handle(Command command, Func<ParseResult, CancellationToken, Task<int>> body) =>
        command.SetAction(async (parse, cancellationToken) =>
        {
            try
            {
                return await body(parse, cancellationToken);
            }
            catch (CliException e)
            {
                Terminal.Failure(e, Json(parse));
                return e.ExitCode;
            }
        });
}
