using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Admin;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>Runs one line of the shell.</summary>
/// <param name="client">The node.</param>
/// <param name="terminal">Where to write.</param>
/// <param name="clock">For watching.</param>
/// <param name="confirm">Asks somebody; null where nobody could answer.</param>
internal sealed class PbmRunner(PbmClient client, Terminal terminal, TimeProvider clock, Func<string, CancellationToken, Task<bool>>? confirm)
{
    private const string ClearScreen = "\x1b[H\x1b[2J";

    /// <summary>Runs it once, or again and again.</summary>
    /// <exception cref="CliException">The node refuses, or is not there.</exception>
    public async Task<int> RunAsync(PbmArguments arguments, CancellationToken ct)
    {
        if (arguments.Words[0] == "help")
            return await HelpAsync([.. arguments.Words.Skip(1)], ct);
        while (true)
        {
            if (arguments.Watch is not null && !arguments.Json && !Console.IsOutputRedirected)
                terminal.Output.Write(ClearScreen);
            bool positive = await OnceAsync(arguments, ct);
            if (arguments.Watch is not { } every)
                return positive ? ExitCode.Done : ExitCode.No;
            await Task.Delay(every, clock, ct);
        }
    }

    /// <summary>Explains the palettes, one of them, or a command.</summary>
    public async Task<int> HelpAsync(IReadOnlyList<string> about, CancellationToken ct)
    {
        ListPalettesReply all = await client.PalettesAsync(ct);
        if (PbmHelp.Text(all, about) is not { } text)
        {
            terminal.Note($"There is no help for \"{string.Join(' ', about)}\"; help lists what there is.");
            return ExitCode.Usage;
        }

        terminal.Line(text);
        return ExitCode.Done;
    }

    private async Task<bool> OnceAsync(PbmArguments arguments, CancellationToken ct)
    {
        void Show(Line line)
        {
            if (!arguments.Json)
                terminal.Line(line.Text);
            else if (line.Json.Length > 0)
                terminal.Line(line.Json);
        }

        try
        {
            return await client.ExecuteAsync(arguments.Words, arguments.Yes, Show, ct);
        }
        catch (CliException e) when (e.Code == "NotConfirmed" && confirm is not null)
        {
            if (!await confirm(e.Message, ct))
                throw new CliException("NotConfirmed", "It was not confirmed; nothing was done.", e.What, "", ExitCode.Usage, e);
            return await client.ExecuteAsync(arguments.Words, confirmed: true, Show, ct);
        }
    }
}
