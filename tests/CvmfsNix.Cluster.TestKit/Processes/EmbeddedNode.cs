using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.TestKit.Processes;

/// <summary>
/// The node program as its own process: SQLite journal, free ports on loopback, a data folder that goes with it, and a log that
/// names every request it gets.
/// </summary>
public sealed partial class EmbeddedNode : IAsyncDisposable
{
    private const int Terminate = 15;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly DirectoryInfo _folder;
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly List<string> _log = [];
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];
    private int _marks;

    private EmbeddedNode(Process process, DirectoryInfo folder)
    {
        _process = process;
        _folder = folder;
    }

    /// <summary>URL of the data port.</summary>
    public string Http { get; private set; } = "";

    /// <summary>URL of the control port.</summary>
    public string Grpc { get; private set; } = "";

    /// <summary>URL of the management port.</summary>
    public string Management { get; private set; } = "";

    /// <summary>Folder that a repository is served from.</summary>
    public string RepositoryFolder(string repository) => Path.Combine(_folder.FullName, "data", "cvmfs", repository);

    /// <summary>Data folder.</summary>
    public string Data => Path.Combine(_folder.FullName, "data");

    /// <summary>Of its process.</summary>
    public int Id => _process.Id;

    /// <summary>By base name, the signatures (one a line) and content addresses the node keeps with a repository's paths.</summary>
    public IReadOnlyDictionary<string, (string Signatures, string? ContentAddress)> Provenance(string repository)
    {
        string file = Path.Combine(_folder.FullName, "data", "meta", repository, "index.db");
        using var index = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        index.Open();
        using SqliteCommand command = index.CreateCommand();
        command.CommandText = "SELECT name, sigs, ca FROM paths";
        using SqliteDataReader row = command.ExecuteReader();
        var kept = new Dictionary<string, (string, string?)>();
        while (row.Read())
            kept.Add(row.GetString(0), (row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2)));
        return kept;
    }

    /// <summary>Folder of the keys, and of what says who may do what.</summary>
    public string KeyFolder => Path.Combine(_folder.FullName, "data", "keys");

    /// <summary>URL of a repository's binary cache.</summary>
    public string CacheUrl(string repository) => $"{Http}/nix/{repository}";

    /// <summary>URL that a repository is served under.</summary>
    public Uri RepositoryUrl(string repository) => new($"{Http}/cvmfs/{repository}");

    /// <summary>Starts a node and waits until it is ready.</summary>
    /// <exception cref="InvalidOperationException">It ended, or did not get ready; with its log.</exception>
    public static Task<EmbeddedNode> StartAsync(CancellationToken cancellationToken) => StartAsync(["--http", "--grpc", "--management", "--remoting"], [], cancellationToken);

    /// <summary>As <see cref="StartAsync(CancellationToken)"/>, with a log of warnings only: to be measured.</summary>
    public static Task<EmbeddedNode> StartQuietAsync(CancellationToken cancellationToken) =>
        StartAsync(["--http", "--grpc", "--management", "--remoting"], ["--log-level", "warning"], cancellationToken);

    /// <summary>As <see cref="StartQuietAsync(CancellationToken)"/>, with switches of its own.</summary>
    public static Task<EmbeddedNode> StartQuietAsync(IReadOnlyList<string> switches, CancellationToken cancellationToken) =>
        StartAsync(["--http", "--grpc", "--management", "--remoting"], ["--log-level", "warning", .. switches], cancellationToken);

    /// <summary>Starts a stratum1 of a node and waits until it serves what the node has.</summary>
    /// <exception cref="InvalidOperationException">It ended, or did not get ready; with its log.</exception>
    public static Task<EmbeddedNode> StartMirrorAsync(EmbeddedNode core, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(core);
        return StartAsync(["--http", "--management"], ["--roles", "stratum1", "--core", core.Grpc], cancellationToken);
    }

    /// <summary>As <see cref="StartMirrorAsync"/>, with a log of warnings only: to be measured.</summary>
    public static Task<EmbeddedNode> StartQuietMirrorAsync(EmbeddedNode core, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(core);
        return StartAsync(["--http", "--management"], ["--log-level", "warning", "--roles", "stratum1", "--core", core.Grpc], cancellationToken);
    }

    private static async Task<EmbeddedNode> StartAsync(string[] ports, string[] arguments, CancellationToken cancellationToken)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cvmfsnix-node-");
        var start = new ProcessStartInfo(BuiltProgram.Node)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = folder.FullName,
        };
        foreach (string argument in (string[])["--data", Path.Combine(folder.FullName, "data"), .. arguments.Contains("--log-level") ? [] : (string[])["--log-level", "debug"],
            .. arguments, .. ports.SelectMany(static port => (string[])[port, "127.0.0.1:0"])])
            start.ArgumentList.Add(argument);
        var node = new EmbeddedNode(new Process { StartInfo = start, EnableRaisingEvents = true }, folder);
        try
        {
            node.Launch();
            using JsonDocument ready = JsonDocument.Parse(await node._ready.Task.WaitAsync(Patience, cancellationToken).ConfigureAwait(false));
            string Url(string name) => ready.RootElement.TryGetProperty(name, out JsonElement url) ? url.GetString()?.TrimEnd('/') ?? "" : "";
            (node.Http, node.Grpc, node.Management) = (Url("http"), Url("grpc"), Url("management"));
            return node;
        }
        catch (Exception e) when (e is InvalidOperationException or TimeoutException)
        {
            string log = node.LogTail();
            await node.DisposeAsync().ConfigureAwait(false);
            throw new InvalidOperationException($"The node did not become ready: {e.Message}\n{log}", e);
        }
    }

    /// <summary>Runs <c>cvmfsnix ARGUMENTS --server …</c> against this node.</summary>
    public Task<ProgramRun> CliAsync(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment, CancellationToken cancellationToken) =>
        ProgramRun.RunAsync(BuiltProgram.Cli, [.. arguments, "--server", Grpc], environment, cancellationToken);

    /// <summary>Runs something and says which requests reached the node meanwhile, as <c>POST /service/method</c>.</summary>
    public async Task<IReadOnlyList<string>> RequestsDuringAsync(Func<Task> action, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(action);
        int from = await MarkAsync(cancellationToken).ConfigureAwait(false);
        await action().ConfigureAwait(false);
        int to = await MarkAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
            return [.. _log[from..(to - 1)].Select(RequestOf).OfType<string>()];
    }

    /// <summary>SIGTERM; the exit code of the clean stop.</summary>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        _ = SendSignal(_process.Id, Terminate);
        await _process.WaitForExitAsync(cancellationToken).WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
        return _process.ExitCode;
    }

    /// <summary>Ends the node and removes its folder.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync().ConfigureAwait(false);
        }

        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    private void Launch()
    {
        _process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { } text && text.StartsWith("READY ", StringComparison.Ordinal))
                _ready.TrySetResult(text["READY ".Length..]);
        };
        _process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
                Logged(text);
        };
        _process.Exited += (_, _) => _ready.TrySetException(new InvalidOperationException("the node ended"));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        _process.StandardInput.Close();
    }

    private void Logged(string line)
    {
        lock (_gate)
        {
            _log.Add(line);
            for (int i = _awaited.Count - 1; i >= 0; i--)
            {
                if (!line.Contains(_awaited[i].Text, StringComparison.Ordinal))
                    continue;
                _awaited[i].Seen.SetResult();
                _awaited.RemoveAt(i);
            }
        }
    }

    // The log is written behind the node's back and lines keep their order: a request of our own shows how far it got.
    private async Task<int> MarkAsync(CancellationToken cancellationToken)
    {
        string mark = $"/alive?mark={Interlocked.Increment(ref _marks)}-";
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
            _awaited.Add((mark, seen));
        using var client = new HttpClient();
        using HttpResponseMessage answer = await client.GetAsync(new Uri(Management + mark), cancellationToken).ConfigureAwait(false);
        await seen.Task.WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
        lock (_gate)
            return _log.FindIndex(line => line.Contains(mark, StringComparison.Ordinal)) + 1;
    }

    private static string? RequestOf(string line)
    {
        const string Begin = "Request starting ";
        int at = line.IndexOf(Begin, StringComparison.Ordinal);
        if (at < 0)
            return null;
        string[] words = line[(at + Begin.Length)..].Split(' ', 4);
        return words[2].Contains("/alive", StringComparison.Ordinal) ? null : $"{words[1]} {new Uri(words[2]).AbsolutePath}";
    }

    private string LogTail()
    {
        lock (_gate)
            return string.Join('\n', _log.TakeLast(40));
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int process, int signal);
}
