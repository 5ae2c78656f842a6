using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>The addresses a node announced when it was ready.</summary>
internal sealed record NodeAddresses(string Http, string Grpc, string Management, string Remoting);

/// <summary>How a node is to be started.</summary>
internal sealed record NodeSettings(string Data)
{
    /// <summary>Addresses of an earlier start, for a restart on the same ports; null takes free ones.</summary>
    public NodeAddresses? Addresses { get; init; }

    /// <summary>Unix socket of a <see cref="StepListener"/>.</summary>
    public string? StepSocket { get; init; }

    /// <summary>How long it may take until the node is ready.</summary>
    public TimeSpan ReadyWithin { get; init; } = Deadline.Start;

    /// <summary>Further environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Further switches.</summary>
    public IReadOnlyList<string> Switches { get; init; } = [];

    /// <summary>Program and arguments that start the node as their own continuation (exec), such as <c>setpriv</c>; empty starts it directly.</summary>
    public IReadOnlyList<string> Launcher { get; init; } = [];
}

/// <summary>One run of the node program.</summary>
internal sealed partial class NodeProcess : IAsyncDisposable
{
    private const int Terminate = 15;

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NodeProcess(Process process) => _process = process;

    /// <summary>Set once the node is ready.</summary>
    public NodeAddresses Addresses { get; private set; } = new("", "", "", "");

    public int Id => _process.Id;

    /// <summary>What the node wrote to standard error so far.</summary>
    public string Errors
    {
        get
        {
            lock (_errors)
                return _errors.ToString();
        }
    }

    /// <summary>Starts a node and waits for its READY line.</summary>
    public static async Task<NodeProcess> StartAsync(NodeSettings settings, CancellationToken cancellationToken)
    {
        NodeProcess node = Launch(settings);
        try
        {
            await node.ReadyAsync(settings.ReadyWithin, cancellationToken);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a node that is not expected to become ready; its addresses are those of the settings.</summary>
    public static NodeProcess StartUnready(NodeSettings settings)
    {
        NodeProcess node = Launch(settings);
        node.Addresses = settings.Addresses ?? throw new ArgumentException("A node that says no READY has to be told its addresses.", nameof(settings));
        return node;
    }

    private static NodeProcess Launch(NodeSettings settings)
    {
        string[] program = [.. settings.Launcher, BuiltPrograms.Node];
        var start = new ProcessStartInfo(program[0])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (string argument in (string[])[.. program[1..], "--data", settings.Data,
            "--http", HostAndPort(settings.Addresses?.Http), "--grpc", HostAndPort(settings.Addresses?.Grpc),
            "--management", HostAndPort(settings.Addresses?.Management), "--remoting", HostAndPort(settings.Addresses?.Remoting),
            .. settings.Switches])
            start.ArgumentList.Add(argument);
        if (settings.StepSocket is { } socket)
            start.Environment["CVMFSNIX_STEP_SOCKET"] = socket;
        foreach ((string name, string value) in settings.Environment)
            start.Environment[name] = value;

        var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        var node = new NodeProcess(process);
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { } text && text.StartsWith("READY ", StringComparison.Ordinal))
                node._ready.TrySetResult(text["READY ".Length..]);
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
            {
                lock (node._errors)
                    node._errors.AppendLine(text);
            }
        };
        process.Exited += (_, _) => node._ready.TrySetException(new InvalidOperationException("The node ended before it was ready."));
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Close();
        return node;
    }

    /// <summary>Waits for the READY line.</summary>
    private async Task ReadyAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        try
        {
            using JsonDocument ready = JsonDocument.Parse(await _ready.Task.WaitAsync(within, cancellationToken));
            string Text(string name) => ready.RootElement.GetProperty(name).GetString() ?? "";
            Addresses = new NodeAddresses(Text("http"), Text("grpc"), Text("management"), Text("address"));
        }
        catch (Exception e) when (e is InvalidOperationException or TimeoutException or JsonException)
        {
            throw new InvalidOperationException($"The node did not become ready: {e.Message}\n{Tail(Errors)}", e);
        }
    }

    /// <summary>SIGKILL; returns when the process is gone.</summary>
    public async Task KillAsync()
    {
        KillNow();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>SIGKILL; returns at once.</summary>
    public void KillNow()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // Gone already.
        }
    }

    /// <summary>SIGTERM; returns the exit code of the clean stop.</summary>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        _ = SendSignal(_process.Id, Terminate);
        await _process.WaitForExitAsync(cancellationToken).WaitAsync(Deadline.Start, cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>Peak resident memory of the process so far, in bytes.</summary>
    public long PeakResidentBytes()
    {
        string line = File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    private static string Tail(string text) => text.Length <= 6000 ? text : "…" + text[^6000..];

    /// <summary>The part of a URL or of a remoting address that a switch takes.</summary>
    private static string HostAndPort(string? address)
    {
        if (address is null)
            return "127.0.0.1:0";
        string text = address[(address.IndexOf("://", StringComparison.Ordinal) + 3)..].TrimEnd('/');
        return text[(text.IndexOf('@', StringComparison.Ordinal) + 1)..];
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int process, int signal);
}
