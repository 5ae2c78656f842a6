using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.TestKit.Postgres;

/// <summary>
/// A private PostgreSQL server in a temporary folder, on a free port, with everything on that keeps a commit. It runs as the user
/// <c>postgres</c> where the tests run as root, which PostgreSQL refuses.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "postgres";
    private const int StartTries = 5;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder;
    private readonly string _programs;
    private Process? _server;

    private readonly NodePlace _place;

    private PostgresServer(string folder, string programs, int port, NodePlace place) => (_folder, _programs, Port, _place) = (folder, programs, port, place);

    /// <summary>Address it listens at.</summary>
    public string Host => _place.Host;

    /// <summary>TCP port.</summary>
    public int Port { get; }

    /// <summary>Why it cannot be used here; null when it can.</summary>
    public static string? Missing => Programs() is null ? "PostgreSQL 15 is not installed (apt-get install postgresql-15)" : null;

    /// <summary>An Npgsql connection string of one of its databases.</summary>
    public string ConnectionString(string database) => $"Host={Host};Port={Port};Username={User};Database={database}";

    /// <summary>Starts a server with an empty database <c>cvmfsnix</c>.</summary>
    /// <param name="settings">Further settings, as <c>fsync=off</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static Task<PostgresServer> StartAsync(IReadOnlyList<string>? settings, CancellationToken cancellationToken) =>
        StartAsync(NodePlace.Loopback, settings, cancellationToken);

    /// <summary>The same at some place, which other places may reach.</summary>
    /// <param name="place">Address, and what to put before the program.</param>
    /// <param name="settings">Further settings.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<PostgresServer> StartAsync(NodePlace place, IReadOnlyList<string>? settings, CancellationToken cancellationToken)
    {
        (string folder, string programs) = await FolderAsync(cancellationToken).ConfigureAwait(false);
        for (int attempt = 1; ; attempt++)
        {
            var server = new PostgresServer(folder, programs, FreePort(), place);
            try
            {
                if (!Directory.Exists(server.Data))
                {
                    (await server.RunAsync(
                        "initdb", ["-D", server.Data, "-A", "trust", "-U", User, "--no-sync", "-E", "UTF8", "--locale=C"], cancellationToken).ConfigureAwait(false)).Succeeded();
                    await File.AppendAllTextAsync(Path.Combine(server.Data, "pg_hba.conf"), "host all all all trust\nhost replication all all trust\n", cancellationToken).ConfigureAwait(false);
                }

                await server.LaunchAsync(settings ?? [], cancellationToken).ConfigureAwait(false);
                await server.CreateDatabaseAsync("cvmfsnix", cancellationToken).ConfigureAwait(false);
                return server;
            }
            catch (InvalidOperationException) when (attempt < StartTries)
            {
                // Somebody took the port between the look and the start.
                await server.EndAsync().ConfigureAwait(false);
            }
            catch
            {
                await server.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <summary>Starts a server that follows another one: made with <c>pg_basebackup</c>, it takes over everything the other one commits.</summary>
    /// <param name="primary">What it follows.</param>
    /// <param name="name">What the primary's <c>synchronous_standby_names</c> calls it.</param>
    /// <param name="place">Where it runs.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<PostgresServer> FollowAsync(PostgresServer primary, string name, NodePlace place, CancellationToken cancellationToken)
    {
        (string folder, string programs) = await FolderAsync(cancellationToken).ConfigureAwait(false);
        var server = new PostgresServer(folder, programs, FreePort(), place);
        try
        {
            await server.FollowAsync(primary, name, cancellationToken).ConfigureAwait(false);
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The same for a server that does not run: what it had is thrown away.</summary>
    public async Task FollowAsync(PostgresServer primary, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(primary);
        if (Directory.Exists(Data))
            Directory.Delete(Data, recursive: true);
        (await RunAsync(
            "pg_basebackup",
            ["-d", $"host={primary.Host} port={primary.Port} user={User} application_name={name}", "-D", Data, "-R", "-X", "stream", "-c", "fast"],
            cancellationToken).ConfigureAwait(false)).Succeeded();
        await LaunchAsync([], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a standby the primary; returns when it takes writes.</summary>
    public async Task PromoteAsync(CancellationToken cancellationToken) =>
        (await RunAsync("pg_ctl", ["-D", Data, "-w", "promote"], cancellationToken).ConfigureAwait(false)).Succeeded();

    /// <summary>Changes a setting of the running server.</summary>
    public async Task SetAsync(string name, string value, CancellationToken cancellationToken)
    {
        await QueryAsync(User, $"ALTER SYSTEM SET {name} = '{value}'", cancellationToken).ConfigureAwait(false);
        await QueryAsync(User, "SELECT pg_reload_conf()", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>SIGKILL to the server and everything it started.</summary>
    public async Task KillAsync()
    {
        if (_server is not { } server)
            return;
        _server = null;
        string pidFile = Path.Combine(Data, "postmaster.pid");
        if (!server.HasExited && File.Exists(pidFile))
        {
            string postmaster = File.ReadLines(pidFile).First();
            string[] all = [postmaster, .. Children(postmaster)];
            _ = await ProgramRun.RunAsync("kill", ["-9", .. all]).ConfigureAwait(false);
        }

        using var bounded = new CancellationTokenSource(Patience);
        await server.WaitForExitAsync(bounded.Token).ConfigureAwait(false);
        server.Dispose();
    }

    /// <summary>Makes an empty database.</summary>
    public async Task CreateDatabaseAsync(string name, CancellationToken cancellationToken) =>
        (await RunAsync("createdb", ["-h", Host, "-p", $"{Port}", "-U", User, name], cancellationToken).ConfigureAwait(false)).Succeeded();

    /// <summary>Runs SQL in a database.</summary>
    /// <returns>Rows, columns separated by <c>|</c>.</returns>
    public async Task<IReadOnlyList<string>> QueryAsync(string database, string sql, CancellationToken cancellationToken)
    {
        ProgramRun run = await RunAsync(
            "psql", ["-h", Host, "-p", $"{Port}", "-U", User, "-d", database, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql], cancellationToken).ConfigureAwait(false);
        return run.Succeeded().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Ends the server at once, as a crash does.</summary>
    public async Task CrashAsync() => await EndAsync().ConfigureAwait(false);

    /// <summary>Ends the server in order, sessions included, as <c>pg_ctl -m fast stop</c> does.</summary>
    public async Task StopAsync() => await EndAsync("-INT").ConfigureAwait(false);

    /// <summary>Starts it again on the same data and port.</summary>
    public Task RestartAsync(CancellationToken cancellationToken) => LaunchAsync([], cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndAsync().ConfigureAwait(false);
        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (IOException)
        {
            // A process of the server that is still ending; the folder is temporary either way.
        }
    }

    private string Data => Path.Combine(_folder, "data");

    private async Task LaunchAsync(IReadOnlyList<string> settings, CancellationToken cancellationToken)
    {
        string[] all = [$"port={Port}", $"listen_addresses={Host}", $"unix_socket_directories={_folder}", "max_connections=200", .. settings];
        var start = new ProcessStartInfo { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder };
        AsUser(start, "postgres", ["-D", Data, .. all.SelectMany(s => (string[])["-c", s])]);
        _server = Process.Start(start) ?? throw new InvalidOperationException("postgres did not start.");
        _server.StandardInput.Close();
        _server.OutputDataReceived += static (_, _) => { };
        _server.BeginOutputReadLine();
        var accepts = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var log = new List<string>();
        _server.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not { } text)
            {
                lock (log)
                    accepts.TrySetException(new InvalidOperationException("postgres ended:\n" + string.Join('\n', log.TakeLast(20))));
                return;
            }

            lock (log)
                log.Add(text);
            if (text.Contains("database system is ready to accept ", StringComparison.Ordinal))
                accepts.TrySetResult();
        };
        _server.BeginErrorReadLine();
        await accepts.Task.WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
    }

    private async Task EndAsync(string signal = "-QUIT")
    {
        if (_server is not { } server)
            return;
        _server = null;
        // The process we started may be the one that changed the user: the server's own pid is in its file.
        string pidFile = Path.Combine(Data, "postmaster.pid");
        if (!server.HasExited && File.Exists(pidFile))
            _ = await ProgramRun.RunAsync("kill", [signal, File.ReadLines(pidFile).First()]).ConfigureAwait(false);
        using var bounded = new CancellationTokenSource(Patience);
        await server.WaitForExitAsync(bounded.Token).ConfigureAwait(false);
        server.Dispose();
    }

    private Task<ProgramRun> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo();
        AsUser(start, program, arguments);
        return ProgramRun.RunAsync(start.FileName, [.. start.ArgumentList], cancellationToken: cancellationToken);
    }

    private void AsUser(ProcessStartInfo start, string program, IReadOnlyList<string> arguments)
    {
        string[] asUser = Environment.IsPrivilegedProcess ? ["runuser", "-u", User, "--"] : [];
        string[] command = [.. _place.Prefix, .. asUser, Path.Combine(_programs, program), .. arguments];
        start.FileName = command[0];
        foreach (string argument in command[1..])
            start.ArgumentList.Add(argument);
    }

    private static async Task<(string Folder, string Programs)> FolderAsync(CancellationToken cancellationToken)
    {
        string programs = Programs() ?? throw new InvalidOperationException(Missing);
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-pg-").FullName;
        if (Environment.IsPrivilegedProcess)
            (await ProgramRun.RunAsync("chown", [User, folder], cancellationToken: cancellationToken).ConfigureAwait(false)).Succeeded();
        return (folder, programs);
    }

    // The fourth word of a process's line, after its name in brackets, is its parent.
    private static IEnumerable<string> Children(string parent)
    {
        foreach (string folder in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            string line;
            try
            {
                line = File.ReadAllText(Path.Combine(folder, "stat"));
            }
            catch (IOException)
            {
                // Ended meanwhile.
                continue;
            }

            if (line[(line.LastIndexOf(')') + 2)..].Split(' ')[1] == parent)
                yield return Path.GetFileName(folder);
        }
    }

    private static string? Programs()
    {
        const string Debian = "/usr/lib/postgresql/15/bin";
        return File.Exists(Path.Combine(Debian, "initdb")) ? Debian : null;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
