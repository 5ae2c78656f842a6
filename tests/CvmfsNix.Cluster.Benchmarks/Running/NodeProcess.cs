using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>An embedded node over a data folder that outlives it, so that it can be started again and again.</summary>
internal sealed partial class NodeProcess : IAsyncDisposable
{
    private const int Terminate = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Process _process;

    private NodeProcess(Process process, string grpc, TimeSpan ready) => (_process, Grpc, Ready) = (process, grpc, ready);

    /// <summary>From its start to the answer 200 of <c>/ready</c>.</summary>
    public TimeSpan Ready { get; }

    /// <summary>Address of the control port.</summary>
    public string Grpc { get; }

    public int Id => _process.Id;

    /// <summary>When it was started, as <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public long StartedAt { get; private init; }

    public double ProcessorSeconds => MachineLoad.Seconds([("node", Id)])["node"];

    /// <summary>Starts a program over a data folder and waits until it answers that it is ready.</summary>
    /// <param name="program">File of <c>cvmfsnix-node</c>.</param>
    /// <param name="data">Data folder.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="switches">More of them.</param>
    /// <exception cref="InvalidOperationException">It ended before, or is not ready although it says so.</exception>
    public static async Task<NodeProcess> StartAsync(string program, string data, CancellationToken cancellationToken, params string[] switches)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        foreach (string argument in (string[])["--data", data, "--log-level", "warning", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--management", "127.0.0.1:0", "--remoting", "127.0.0.1:0", .. switches])
            start.ArgumentList.Add(argument);
        using var http = new HttpClient();
        long startedAt = Stopwatch.GetTimestamp();
        Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        process.StandardInput.Close();
        string line = await process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(Patience, cancellationToken) ?? throw new InvalidOperationException("The node ended before it was ready.");
        using JsonDocument ready = JsonDocument.Parse(line["READY ".Length..]);
        string Url(string name) => ready.RootElement.GetProperty(name).GetString()!.TrimEnd('/');
        using HttpResponseMessage answer = await http.GetAsync(new Uri(Url("management") + "/ready"), cancellationToken);
        TimeSpan took = Stopwatch.GetElapsedTime(startedAt);
        return answer.IsSuccessStatusCode
            ? new NodeProcess(process, Url("grpc"), took) { StartedAt = startedAt }
            : throw new InvalidOperationException($"READY was said, and /ready answers {(int)answer.StatusCode}.");
    }

    /// <summary>A clean stop.</summary>
    /// <exception cref="InvalidOperationException">Its exit code is not 0.</exception>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _ = SendSignal(_process.Id, Terminate);
        await _process.WaitForExitAsync(cancellationToken).WaitAsync(Patience, cancellationToken);
        if (_process.ExitCode != 0)
            throw new InvalidOperationException($"The node stopped with exit code {_process.ExitCode.ToString(CultureInfo.InvariantCulture)}.");
    }

    /// <summary>As a power cut would: SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int process, int signal);
}
