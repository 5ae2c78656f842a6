using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Admin;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>Line after line, from somebody at a terminal or from a file.</summary>
/// <param name="client">The node.</param>
/// <param name="runner">Runs a line.</param>
/// <param name="terminal">Where to write.</param>
/// <param name="given">Switches that stand for every line.</param>
/// <param name="host">For the prompt.</param>
internal sealed class PbmShell(PbmClient client, PbmRunner runner, Terminal terminal, PbmArguments given, string host)
{
    private static readonly TimeSpan LookForKeys = TimeSpan.FromMilliseconds(30);

    /// <summary>For somebody at a terminal: prompt, history, completion; Ctrl-C ends a command, not the shell.</summary>
    public async Task<int> RunInteractiveAsync(CancellationToken ct)
    {
        ListPalettesReply known = await client.PalettesAsync(ct);
        terminal.Line($"pbm {CommandLineProgram.Version}, node {known.Node} of version {known.Version}; help explains, exit ends.");
        var completion = new PbmCompletion(known.Palettes, client.CompleteAsync);
        var editor = new LineEditor($"[{host}] pbm> ", completion.AtAsync, terminal.Output);
        int code = ExitCode.Done;
        Console.TreatControlCAsInput = true;
        try
        {
            while (await editor.ReadAsync(ct) is { } line)
            {
                if (line.Trim() is "exit" or "quit")
                    break;
                using var command = CancellationTokenSource.CreateLinkedTokenSource(ct);
                using var typed = new CancellationTokenSource();
                Task watching = EndOnKeyAsync(command, typed.Token);
                try
                {
                    code = await RunAsync(line, command.Token);
                }
                catch (OperationCanceledException) when (!ct.IsCancellationRequested)
                {
                    // Ctrl-C: back to the prompt.
                }

                await typed.CancelAsync();
                await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }

        return code;
    }

    /// <summary>For a file or a pipe: every line in turn, without prompt; the exit code is the worst of all.</summary>
    public async Task<int> RunLinesAsync(TextReader lines, CancellationToken ct)
    {
        int code = ExitCode.Done;
        while (await lines.ReadLineAsync(ct) is { } line)
        {
            if (line.Trim() is "exit" or "quit")
                break;
            if (line.TrimStart().StartsWith('#'))
                continue;
            code = ExitCode.Worst(code, await RunAsync(line, ct));
        }

        return code;
    }

    private async Task<int> RunAsync(string line, CancellationToken ct)
    {
        bool json = given.Json;
        try
        {
            PbmArguments arguments = PbmArguments.Parse(PbmWords.Split(line));
            json |= arguments.Json;
            if (arguments.Words.Count == 0)
                return ExitCode.Done;
            if (arguments.Help)
                return await runner.HelpAsync([.. arguments.Words.Take(2)], ct);
            return await runner.RunAsync(arguments with { Json = json, Yes = arguments.Yes || given.Yes }, ct);
        }
        catch (CliException e)
        {
            terminal.Failure(e, json);
            return e.ExitCode;
        }
    }

    // The terminal hands Ctrl-C over as a key; what else is typed meanwhile is for nobody.
    private static async Task EndOnKeyAsync(CancellationTokenSource command, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            await Task.Delay(LookForKeys, ct);
            while (!ct.IsCancellationRequested && LineEditor.InterruptWaits())
                await command.CancelAsync();
        }
    }
}
