using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace CvmfsNix.Cluster.TestKit.Processes;

/// <summary>One node of a <see cref="ClusterOfNodes"/>; it can be started again after it ended.</summary>
public sealed partial class ClusterNode : IAsyncDisposable
{
    private const int Terminate = 15;
    private const int Continue = 18;
    private const int Stop = 19;
    private const int LinesMax = 20_000;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly HttpClient Client = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly IReadOnlyList<string> _prefix;
    private readonly IReadOnlyList<string> _arguments;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly List<string> _log = [];
    private Process? _process;
    private TaskCompletionSource _ready = new();

    internal ClusterNode(
        int number,
        IReadOnlyList<string> prefix,
        string data,
        string keys,
        (string Http, string Grpc, string Management, string Remoting) ports,
        IReadOnlyList<string> switches,
        IReadOnlyDictionary<string, string> environment)
    {
        Number = number;
        Data = data;
        Keys = keys;
        (Http, Grpc, Management) = ("http://" + ports.Http, "http://" + ports.Grpc, "http://" + ports.Management);
        Address = "akka.tcp://cvmfsnix@" + ports.Remoting;
        _prefix = prefix;
        _environment = environment;
        _arguments = ["--data", data, "--keys", keys, "--http", ports.Http, "--grpc", ports.Grpc, "--management", ports.Management, "--remoting", ports.Remoting, .. switches];
    }

    /// <summary>From 1.</summary>
    public int Number { get; }

    /// <summary>Makes a stratum1 without starting it; its ports stay the same over restarts.</summary>
    /// <param name="number">From 1.</param>
    /// <param name="place">Where it runs.</param>
    /// <param name="data">Data folder; its keys are in there.</param>
    /// <param name="switches">Whom it follows, its id and its site.</param>
    public static ClusterNode Mirror(int number, NodePlace place, string data, IReadOnlyList<string> switches)
    {
        ArgumentNullException.ThrowIfNull(place);
        int[] ports = ClusterOfNodes.FreePorts(4);
        string At(int port) => string.Create(CultureInfo.InvariantCulture, $"{place.Host}:{ports[port]}");
        string[] loopback = place.Host.StartsWith("127.", StringComparison.Ordinal) ? [] : ["--insecure"];
        return new ClusterNode(
            number, place.Prefix, data, Path.Combine(data, "keys"), (At(0), At(1), At(2), At(3)), ["--roles", "stratum1", .. loopback, .. switches], new Dictionary<string, string>());
    }

    /// <summary>Data folder.</summary>
    public string Data { get; }

    /// <summary>Key folder.</summary>
    public string Keys { get; }

    /// <summary>URL of the data port.</summary>
    public string Http { get; }

    /// <summary>URL of the control port.</summary>
    public string Grpc { get; }

    /// <summary>URL of the management port.</summary>
    public string Management { get; }

    /// <summary>Remoting address, as <c>status</c> names members.</summary>
    public string Address { get; }

    /// <summary>True between a start and the end of the process, also while it is frozen.</summary>
    public bool IsRunning => _process is { HasExited: false };

    /// <summary>Of the last process.</summary>
    public int Id => _process?.Id ?? throw new InvalidOperationException("The node was never started.");

    /// <summary>Starts the process; see <see cref="ReadyAsync"/>.</summary>
    public void Launch()
    {
        if (IsRunning)
            throw new InvalidOperationException($"Node {Number} runs.");
        string[] command = [.. _prefix, BuiltProgram.Node, .. _arguments];
        var start = new ProcessStartInfo(command[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (string argument in command[1..])
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in _environment)
            start.Environment[name] = value;
        _process?.Dispose();
        var ready = _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Process process = _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.StartsWith("READY ", StringComparison.Ordinal) == true)
                ready.TrySetResult();
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
                Logged(text);
        };
        process.Exited += (_, _) => ready.TrySetException(new InvalidOperationException($"Node {Number} ended before it was ready."));
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Close();
    }

    /// <summary>Waits for the READY line of the last start.</summary>
    /// <exception cref="InvalidOperationException">The node ended or does not get ready; with the end of its log.</exception>
    public async Task ReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _ready.Task.WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidOperationException or TimeoutException)
        {
            throw new InvalidOperationException($"{e.Message}\n{LogTail(60)}", e);
        }
    }

    /// <summary>Starts and waits until ready.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        Launch();
        return ReadyAsync(cancellationToken);
    }

    /// <summary>SIGKILL; returns when the process is gone.</summary>
    public async Task KillAsync()
    {
        if (_process is not { } process)
            return;
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // Gone already.
        }

        await process.WaitForExitAsync().ConfigureAwait(false);
    }

    /// <summary>SIGTERM; the exit code.</summary>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        _ = SendSignal(Id, Terminate);
        return await ExitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Waits until the process ends by itself; the exit code.</summary>
    public async Task<int> ExitAsync(CancellationToken cancellationToken)
    {
        await _process!.WaitForExitAsync(cancellationToken).WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
        return _process.ExitCode;
    }

    /// <summary>SIGSTOP: nothing of it runs, its connections stay open.</summary>
    public void Freeze() => _ = SendSignal(Id, Stop);

    /// <summary>SIGCONT.</summary>
    public void Thaw() => _ = SendSignal(Id, Continue);

    /// <summary>What <c>/status</c> says; null when it does not answer.</summary>
    public async Task<JsonElement?> TryStatusAsync(CancellationToken cancellationToken)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(await Client.GetStringAsync(new Uri(Management + "/status"), cancellationToken).ConfigureAwait(false));
            return document.RootElement.Clone();
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Why it is not ready; empty when it is, null when it does not answer.</summary>
    public async Task<string?> TryNotReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage answer = await Client.GetAsync(new Uri(Management + "/ready"), cancellationToken).ConfigureAwait(false);
            return answer.IsSuccessStatusCode ? "" : (await answer.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false)).Trim();
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>True when some line of its log, of all its lives, holds the text.</summary>
    public bool HasLogged(string text)
    {
        lock (_log)
            return _log.Any(l => l.Contains(text, StringComparison.Ordinal));
    }

    /// <summary>The last lines of its log.</summary>
    public string LogTail(int lines)
    {
        lock (_log)
            return string.Join('\n', _log.TakeLast(lines).Select(static l => l.Length > 600 ? l[..600] + "…" : l));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync().ConfigureAwait(false);
        _process?.Dispose();
        _process = null;
    }

    private void Logged(string line)
    {
        lock (_log)
        {
            if (_log.Count >= LinesMax)
                _log.RemoveRange(0, LinesMax / 2);
            _log.Add(line);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int process, int signal);
}
