using System.Diagnostics;
using System.Text.Json;

namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>What one run of the command line left behind.</summary>
internal sealed record CliResult(int ExitCode, string Output, string Errors)
{
    /// <summary>The JSON document, or the JSON lines, of standard output.</summary>
    public IReadOnlyList<JsonElement> Lines =>
        [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];

    /// <summary>The only JSON document of a run that ended with exit code 0.</summary>
    public JsonElement Document => ExitCode == 0
        ? Lines.Single()
        : throw new InvalidOperationException($"cvmfsnix ended with exit code {ExitCode}.\n{Output}\n{Errors}");
}

/// <summary>Runs the command line program.</summary>
internal sealed class CliProcess : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;

    private CliProcess(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Runs to the end; <c>--json</c> is added.</summary>
    public static async Task<CliResult> RunAsync(NodeAddresses? server, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        using CliProcess cli = Start(server, arguments, input: null);
        Task<string> output = cli._process.StandardOutput.ReadToEndAsync(cancellationToken);
        return await cli.EndAsync(output, cancellationToken);
    }

    /// <summary>
    /// Runs <c>publish --batch -</c>: hands in the lines, calls <paramref name="answered"/> for each answer as it comes.
    /// </summary>
    public static async Task<CliResult> RunBatchAsync(
        NodeAddresses server, IReadOnlyList<string> arguments, IEnumerable<string> lines, Action<JsonElement> answered, CancellationToken cancellationToken)
    {
        using CliProcess cli = Start(server, ["publish", "--batch", "-", .. arguments], string.Concat(lines.Select(l => l + "\n")));
        return await cli.EndAsync(ReadLinesAsync(), cancellationToken);

        async Task<string> ReadLinesAsync()
        {
            var all = new System.Text.StringBuilder();
            while (await cli._process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
            {
                all.Append(line).Append('\n');
                using JsonDocument document = JsonDocument.Parse(line);
                answered(document.RootElement.Clone());
            }

            return all.ToString();
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private static CliProcess Start(NodeAddresses? server, IReadOnlyList<string> arguments, string? input)
    {
        var start = new ProcessStartInfo(BuiltPrograms.Cli)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.ArgumentList.Add("--json");
        if (server is not null)
        {
            start.ArgumentList.Add("--server");
            start.ArgumentList.Add(server.Grpc);
        }

        var process = new Process { StartInfo = start };
        process.Start();
        _ = HandInAsync(process, input);
        return new CliProcess(process);
    }

    /// <summary>
    /// Beside reading the answers, never before: with many lines both pipes fill up, and each side would wait for the other for ever.
    /// </summary>
    private static async Task HandInAsync(Process process, string? input)
    {
        await Task.Yield();
        try
        {
            if (input is not null)
                await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading everything; its exit code tells.
        }
    }

    private async Task<CliResult> EndAsync(Task<string> output, CancellationToken cancellationToken)
    {
        try
        {
            await _process.WaitForExitAsync(cancellationToken).WaitAsync(Deadline.Publish, cancellationToken);
        }
        catch (TimeoutException)
        {
            _process.Kill();
            throw new TimeoutException($"cvmfsnix {string.Join(' ', _process.StartInfo.ArgumentList)} did not end.\n{await _errors}");
        }

        return new CliResult(_process.ExitCode, await output, await _errors);
    }
}
