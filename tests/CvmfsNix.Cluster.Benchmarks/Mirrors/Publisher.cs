using System.Diagnostics;
using System.Text.Json;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Mirrors;

/// <summary>One process of <c>cvmfsnix publish --batch -</c>, asked for one publish after the other.</summary>
internal sealed class Publisher : IDisposable
{
    private readonly Process _process;
    private readonly string _fqrn;

    public Publisher(ClusterNode core, string fqrn, MadeStore store)
    {
        _fqrn = fqrn;
        var start = new ProcessStartInfo(BuiltProgram.Cli) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in (string[])["publish", "--batch", "-", "--parallel", "1", .. store.Arguments, "--json", "--server", core.Grpc])
            start.ArgumentList.Add(argument);
        _process = Process.Start(start) ?? throw new InvalidOperationException("cvmfsnix did not start.");
        // Its progress, which nobody wants to read here.
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginErrorReadLine();
    }

    /// <summary>Publishes paths together.</summary>
    /// <returns>Their revision, and when its answer came.</returns>
    public async Task<(ulong Revision, long Answered)> PublishAsync(IReadOnlyList<string> paths, CancellationToken cancellationToken)
    {
        string line = JsonSerializer.Serialize(new { transaction = Guid.CreateVersion7().ToString(), repository = _fqrn, paths, closure = false });
        await _process.StandardInput.WriteLineAsync(line.AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        string answer = await _process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("cvmfsnix ended.");
        long answered = TimeProvider.System.GetTimestamp();
        using JsonDocument document = JsonDocument.Parse(answer);
        return document.RootElement.TryGetProperty("revision", out JsonElement revision)
            ? (revision.GetUInt64(), answered)
            : throw new InvalidOperationException(answer);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
            _process.Kill();
        _process.Dispose();
    }
}
