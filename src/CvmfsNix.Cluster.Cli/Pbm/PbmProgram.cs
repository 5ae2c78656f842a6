using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>The operators' shell: <c>pbm …</c>, which is <c>cvmfsnix pbm …</c>.</summary>
internal static class PbmProgram
{
    /// <summary>Of the command, and of the link beside the program.</summary>
    public const string Name = "pbm";

    private const string Usage = """
        Usage: pbm [HOST:PORT] [PALETTE COMMAND [-SWITCH VALUE]...] [OPTIONS]

        Runs one command on a node, or without a command opens a shell (TAB completes, help explains).
        The node tells which commands there are: pbm help, pbm help PALETTE, pbm help PALETTE COMMAND.
        Without HOST:PORT it asks the node of CVMFSNIX_SERVER, or 127.0.0.1:9110.

        Options:
          --json               print every line as a JSON document
          --watch [SECONDS]    ask again and again (default every 2 seconds)
          --yes, -y            confirm what cannot be taken back
          --token-file FILE    file that holds the access token [CVMFSNIX_TOKEN]
          --tls-ca FILE        authorities of the nodes, PEM [CVMFSNIX_TLS_CA]; --tls-cert, --tls-key: what to show to nodes that ask
          --timeout SECONDS    give up after so long (default: no limit)
          --help, --version

        Exit codes: 0 done, 1 done and the answer is no, 2 wrong command line, 3 not allowed, 4 unreachable or timed out.
        """;

    /// <summary>Puts the name of the command in front when the program was started by its link.</summary>
    public static string[] ByName(string[] args)
    {
        try
        {
            // The only place that knows the name a program was started by: the host replaces it everywhere else.
            string command = File.ReadAllText("/proc/self/cmdline").Split('\0')[0];
            return Path.GetFileName(command) == Name ? [Name, .. args] : args;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return args;
        }
    }

    /// <summary>For the list of commands in the help; the command line of the shell is its own.</summary>
    public static Command Listed() => new(Name, "Operate nodes: pbm [HOST:PORT] [PALETTE COMMAND ...], or a shell");

    /// <summary>Runs a command line.</summary>
    public static async Task<int> RunAsync(string[] args, CommandContext context, Func<int> interruptedCode, CancellationToken interruption)
    {
        bool json = args.Contains("--json");
        try
        {
            PbmArguments arguments = PbmArguments.Parse(args);
            if (arguments.Version)
            {
                context.Terminal.Line($"pbm {CommandLineProgram.Version}");
                return ExitCode.Done;
            }

            if (arguments.Help)
            {
                context.Terminal.Line(Usage);
                return ExitCode.Done;
            }

            ControlSettings settings = context.Global.Settings(arguments.Server, arguments.TokenFile, arguments.Timeout, arguments.Tls);
            using var client = new PbmClient(settings, context.Terminal, context.Clock);
            PbmRunner Runner(Func<string, CancellationToken, Task<bool>>? confirm) => new(client, context.Terminal, context.Clock, confirm);
            if (arguments.Words.Count > 0)
                return await Runner(Question(context)).RunAsync(arguments, interruption);
            string host = arguments.Host is { } said && !said.Contains("://", StringComparison.Ordinal) ? said : settings.Servers[0].Authority;
            return Console.IsInputRedirected
                ? await new PbmShell(client, Runner(null), context.Terminal, arguments, host).RunLinesAsync(context.Input(), interruption)
                : await new PbmShell(client, Runner(async (question, ct) =>
                {
                    Ask(context, question);
                    return IsYes(await LineEditor.ReadAnswerAsync(context.Terminal.Output, ct));
                }), context.Terminal, arguments, host).RunInteractiveAsync(interruption);
        }
        catch (CliException e)
        {
            context.Terminal.Failure(e, json);
            return e.ExitCode;
        }
        catch (OperationCanceledException) when (interruption.IsCancellationRequested)
        {
            return interruptedCode();
        }
    }

    /// <summary>Asks whoever sits at the terminal; null where nobody does.</summary>
    public static Func<string, CancellationToken, Task<bool>>? Question(CommandContext context) =>
        Console.IsInputRedirected ? null : (question, _) => Task.FromResult(Confirm(context, question));

    private static bool Confirm(CommandContext context, string question)
    {
        Ask(context, question);
        return IsYes(context.Input().ReadLine() ?? "");
    }

    private static void Ask(CommandContext context, string question)
    {
        context.Terminal.Error.Write($"{question} Type yes to go on: ");
        context.Terminal.Error.Flush();
    }

    private static bool IsYes(string answer) => answer.Trim().Equals("yes", StringComparison.OrdinalIgnoreCase);
}
