using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace CvmfsNix.Cluster.TestKit.Processes;

/// <summary>
/// Several core nodes as processes of the built program, over one PostgreSQL database, with the switches scripts use. Ports stay the same
/// over restarts; data folders go with the cluster.
/// </summary>
public sealed class ClusterOfNodes : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly DirectoryInfo _folder;

    private ClusterOfNodes(DirectoryInfo folder, IReadOnlyList<ClusterNode> nodes) => (_folder, Nodes) = (folder, nodes);

    /// <summary>The nodes; number 1 first.</summary>
    public IReadOnlyList<ClusterNode> Nodes { get; }

    /// <summary>Control addresses of all nodes, as <c>--server</c> takes them.</summary>
    public string Servers => string.Join(',', Nodes.Select(n => n.Grpc));

    /// <summary>A folder that goes with the cluster.</summary>
    public string Folder => _folder.FullName;

    /// <summary>Makes the nodes without starting them.</summary>
    public static ClusterOfNodes Create(ClusterSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cvmfsnix-cluster-");
        int[] ports = FreePorts(4 * settings.Places.Count);
        string At(int node, int port) => $"{settings.Places[node].Host}:{ports[(4 * node) + port].ToString(CultureInfo.InvariantCulture)}";
        string seeds = string.Join(',', settings.Places.Select((_, i) => At(i, 3)));
        var nodes = new List<ClusterNode>();
        for (int i = 0; i < settings.Places.Count; i++)
        {
            string data = Path.Combine(folder.FullName, $"n{i + 1}");
            string keys = settings.SeparateKeys ? Path.Combine(data, "keys") : Path.Combine(folder.FullName, "keys");
            string[] loopback = settings.Places[i].Host.StartsWith("127.", StringComparison.Ordinal) ? [] : ["--insecure"];
            nodes.Add(new ClusterNode(
                i + 1,
                settings.Places[i].Prefix,
                data,
                keys,
                (At(i, 0), At(i, 1), At(i, 2), At(i, 3)),
                ["--journal", settings.Journal, "--journal-init", "--seed", seeds, .. loopback, .. settings.Switches, .. settings.SwitchesOf(i + 1)],
                new Dictionary<string, string>(settings.Environment.Concat(settings.EnvironmentOf(i + 1)))));
        }

        return new ClusterOfNodes(folder, nodes);
    }

    /// <summary>Starts all nodes together and waits until they are ready.</summary>
    public static async Task<ClusterOfNodes> StartAsync(ClusterSettings settings, CancellationToken cancellationToken)
    {
        ClusterOfNodes cluster = Create(settings);
        try
        {
            await cluster.StartAllAsync(cancellationToken).ConfigureAwait(false);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts those nodes that do not run, together, and waits until they are ready.</summary>
    public async Task StartAllAsync(CancellationToken cancellationToken)
    {
        ClusterNode[] starting = [.. Nodes.Where(n => !n.IsRunning)];
        foreach (ClusterNode node in starting)
            node.Launch();
        await Task.WhenAll(starting.Select(n => n.ReadyAsync(cancellationToken))).ConfigureAwait(false);
    }

    /// <summary>The node that leads, as soon as every running node names the same, running one.</summary>
    public async Task<ClusterNode> LeaderAsync(CancellationToken cancellationToken)
    {
        ClusterNode? leader = null;
        await UntilAsync(
            async () =>
            {
                var named = new HashSet<string?>();
                foreach (ClusterNode node in Nodes.Where(n => n.IsRunning))
                    named.Add((await node.TryStatusAsync(cancellationToken).ConfigureAwait(false))?.GetProperty("leader").GetString());
                leader = named.Count == 1 ? Nodes.FirstOrDefault(n => n.IsRunning && n.Address == named.Single()) : null;
                return leader is not null;
            },
            "all nodes name one leader",
            cancellationToken).ConfigureAwait(false);
        return leader!;
    }

    /// <summary>Waits until every running node, or one, sees exactly so many members, up and reachable.</summary>
    public Task MembersAsync(int count, CancellationToken cancellationToken, ClusterNode? seenBy = null) => UntilAsync(
        async () =>
        {
            foreach (ClusterNode node in Nodes.Where(n => seenBy is null ? n.IsRunning : n == seenBy))
            {
                if (await node.TryStatusAsync(cancellationToken).ConfigureAwait(false) is not { } status)
                    return false;
                JsonElement[] members = [.. status.GetProperty("members").EnumerateArray()];
                if (members.Length != count || members.Any(m => m.GetProperty("status").GetString() != "Up" || !m.GetProperty("reachable").GetBoolean()))
                    return false;
            }

            return true;
        },
        $"{count} members, all up",
        cancellationToken);

    /// <summary>Runs <c>cvmfsnix ARGUMENTS --server …</c> against all nodes, or one.</summary>
    public Task<ProgramRun> CliAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken, ClusterNode? only = null) =>
        ProgramRun.RunAsync(BuiltProgram.Cli, [.. arguments, "--server", only?.Grpc ?? Servers], null, cancellationToken);

    /// <summary>Asks until the answer is yes.</summary>
    /// <exception cref="TimeoutException">It stays no; with the end of every node's log.</exception>
    public async Task UntilAsync(Func<Task<bool>> condition, string what, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(condition);
        long start = TimeProvider.System.GetTimestamp();
        while (!await condition().ConfigureAwait(false))
        {
            if (TimeProvider.System.GetElapsedTime(start) > Patience)
                throw new TimeoutException($"Waited in vain: {what}.\n{Logs()}");
            await Task.Delay(Interval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The end of every node's log.</summary>
    public string Logs() => string.Join('\n', Nodes.Select(n => $"--- node {n.Number} ({(n.IsRunning ? "running" : "ended")})\n{n.LogTail(40)}"));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (ClusterNode node in Nodes)
            await node.DisposeAsync().ConfigureAwait(false);
        try
        {
            if (Environment.GetEnvironmentVariable("CVMFSNIX_TEST_KEEP") is null)
                _folder.Delete(recursive: true);
        }
        catch (IOException)
        {
            // The folder is temporary either way.
        }
    }

    /// <summary>Ports that nobody uses now, below the range the system hands out by itself, so that nobody's outgoing connection sits on one while its node is down.</summary>
    public static int[] FreePorts(int count)
    {
        var ports = new List<int>();
        while (ports.Count < count)
        {
            int port = Random.Shared.Next(20_000, 32_000);
            if (ports.Contains(port))
                continue;
            try
            {
                using var listener = new TcpListener(IPAddress.Any, port);
                listener.Start();
                ports.Add(port);
            }
            catch (SocketException)
            {
                // Taken.
            }
        }

        return [.. ports];
    }
}
