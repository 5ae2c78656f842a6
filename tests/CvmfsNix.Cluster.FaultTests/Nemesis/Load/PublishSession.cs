using System.Diagnostics;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Load;

/// <summary>One process of <c>cvmfsnix publish --batch -</c> that is handed lines as its builder thinks of them.</summary>
internal sealed class PublishSession : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly Task _answers;

    public PublishSession(string servers, IReadOnlyList<string> arguments, int parallel, Action<JsonElement> answered)
    {
        var start = new ProcessStartInfo(BuiltPrograms.Cli)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (string argument in (string[])["publish", "--batch", "-", "--parallel", $"{parallel}", .. arguments, "--json", "--server", servers])
            start.ArgumentList.Add(argument);
        _process = Process.Start(start) ?? throw new InvalidOperationException("cvmfsnix did not start.");
        _errors = _process.StandardError.ReadToEndAsync();
        _answers = ReadAsync(answered);
    }

    /// <summary>Completes when no answer will come any more.</summary>
    public Task Ended => _answers;

    public async Task HandInAsync(string line, CancellationToken cancellationToken)
    {
        await _process.StandardInput.WriteLineAsync(line.AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
    }

    /// <summary>No more lines; returns when all are answered and the process ended.</summary>
    public async Task<(int ExitCode, string Errors)> EndAsync(CancellationToken cancellationToken)
    {
        _process.StandardInput.Close();
        await _answers.WaitAsync(cancellationToken);
        await _process.WaitForExitAsync(cancellationToken);
        return (_process.ExitCode, await _errors);
    }

    public ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task ReadAsync(Action<JsonElement> answered)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            using JsonDocument document = JsonDocument.Parse(line);
            answered(document.RootElement.Clone());
        }
    }
}
