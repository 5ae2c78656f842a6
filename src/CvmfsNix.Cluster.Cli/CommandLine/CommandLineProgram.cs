using System.CommandLine;
using System.CommandLine.Help;
using System.Reflection;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Pbm;

namespace CvmfsNix.Cluster.Cli.CommandLine;

/// <summary>The whole program, but for the process around it: arguments in, exit code out.</summary>
internal static class CommandLineProgram
{
    public static string Version { get; } =
        typeof(CommandLineProgram).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    /// <summary>Runs one command line.</summary>
    /// <param name="args">Without the program's name.</param>
    /// <param name="context">Where to write, and the rest of the outside world.</param>
    /// <param name="interruptedCode">130 or 143, asked for once the signal came.</param>
    /// <param name="interruption">Cancelled by a signal; then the exit code is <paramref name="interruptedCode"/>'s.</param>
    public static async Task<int> RunAsync(string[] args, CommandContext context, Func<int> interruptedCode, CancellationToken interruption)
    {
        if (args is [PbmProgram.Name, ..])
            return await PbmProgram.RunAsync(args[1..], context, interruptedCode, interruption);
        IEnumerable<string> switches = args.TakeWhile(a => a != "--");
        if (switches.Contains("--version"))
        {
            context.Terminal.Line($"cvmfsnix {Version}");
            return ExitCode.Done;
        }

        RootCommand root = CommandTree.Build(context);
        ParseResult parse = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        bool asksForHelp = parse.Action is HelpAction;
        if (!asksForHelp && context.Mistakes(parse) is { Count: > 0 } mistakes)
        {
            // Said here and not by the library, which would print help to standard output and exit with 1.
            CliException failure = CliException.Usage(
                string.Join(" ", mistakes), string.Join(' ', args.Take(3)), $"cvmfsnix {CommandPath(parse)}--help lists what it takes");
            if (switches.Contains("--json"))
            {
                context.Terminal.Failure(failure, json: true);
            }
            else
            {
                foreach (string mistake in mistakes)
                    context.Terminal.Note(mistake);
                context.Terminal.Note(failure.Hint);
            }

            return ExitCode.Usage;
        }

        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
            Output = context.Terminal.Output,
            Error = context.Terminal.Error,
        };
        bool json = context.Json(parse);
        try
        {
            return await parse.InvokeAsync(configuration, interruption);
        }
        catch (OperationCanceledException) when (interruption.IsCancellationRequested)
        {
            return interruptedCode();
        }
        catch (IOException e) when (IsBrokenPipe(e))
        {
            // The reader of our output went away (… | head): nobody is left to tell.
            return ExitCode.No;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            context.Terminal.Failure(
                new CliException("InternalError", $"{e.GetType().Name}: {e.Message}", string.Join(' ', args.Take(2)), "this is a fault of the program; please report it with the text above", ExitCode.Unknown, e),
                json);
            if (Environment.GetEnvironmentVariable("CVMFSNIX_DEBUG") is { Length: > 0 })
                context.Terminal.Note(e.ToString());
            return ExitCode.Unknown;
        }
    }

    private const int BrokenPipe = 32;

    private static bool IsBrokenPipe(IOException e) => (e.HResult & 0xFFFF) == BrokenPipe || e.HResult == BrokenPipe;

    private static string CommandPath(ParseResult parse)
    {
        List<string> names = [];
        for (var result = parse.CommandResult; result.Parent is System.CommandLine.Parsing.CommandResult parent; result = parent)
            names.Insert(0, result.Command.Name + " ");
        return string.Concat(names);
    }
}
