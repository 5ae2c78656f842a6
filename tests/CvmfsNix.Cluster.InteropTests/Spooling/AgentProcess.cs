using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.InteropTests.Spooling;

/// <summary><c>cvmfsnix agent</c> as its own process, which a test kills.</summary>
internal sealed class AgentProcess : IDisposable
{
    private readonly Process _process;

    private AgentProcess(Process process) => _process = process;

    /// <summary>What it reported, one publish each.</summary>
    public ConcurrentQueue<JsonElement> Published { get; } = [];

    public static AgentProcess Start(NixSandbox nix, string spool, string server, string repository)
    {
        var start = new ProcessStartInfo(BuiltProgram.Cli)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in (string[])["agent", "--repo", repository, "--spool", spool, "--server", server, "--json"])
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in nix.Environment)
            start.Environment[name] = value;
        var agent = new AgentProcess(new Process { StartInfo = start });
        agent._process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
                agent.Published.Enqueue(JsonDocument.Parse(text).RootElement);
        };
        agent._process.Start();
        agent._process.BeginOutputReadLine();
        agent._process.BeginErrorReadLine();
        agent._process.StandardInput.Close();
        return agent;
    }

    /// <summary>SIGKILL; returns when it is gone.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        _process.Kill();
        await _process.WaitForExitAsync(cancellationToken);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
