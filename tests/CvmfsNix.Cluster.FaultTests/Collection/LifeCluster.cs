using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Collection;

/// <summary>Three core nodes with two copies of everything over a PostgreSQL that keeps what it says it has, and two mirrors; all with short graces.</summary>
internal sealed class LifeCluster : IAsyncDisposable
{
    private LifeCluster(PostgresServer postgres, ClusterOfNodes nodes, string[] switches) => (Postgres, Nodes, _switches) = (postgres, nodes, switches);

    private readonly string[] _switches;
    private readonly List<ClusterNode> _mirrors = [];

    public PostgresServer Postgres { get; }

    public ClusterOfNodes Nodes { get; }

    public IReadOnlyList<ClusterNode> Mirrors => _mirrors;

    /// <summary>All that serve, by name.</summary>
    public IEnumerable<(string Name, ClusterNode Node)> Servers => Nodes.Nodes.Select(n => ($"node {n.Number}", n)).Concat(_mirrors.Select(m => (IdOf(m), m)));

    /// <summary>Replica id.</summary>
    public static string IdOf(ClusterNode mirror) => $"mirror-{mirror.Number}";

    public static async Task<LifeCluster> StartAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        PostgresServer postgres = await PostgresServer.StartAsync(null, cancellationToken);
        string[] switches = ["--gc-grace", $"{grace.TotalSeconds:0}s", "--archive-keep", $"{2 * grace.TotalSeconds:0}s"];
        ClusterOfNodes nodes = ClusterOfNodes.Create(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "2", .. switches] });
        var cluster = new LifeCluster(postgres, nodes, switches);
        try
        {
            await nodes.StartAllAsync(cancellationToken);
            await cluster.HealthyAsync(cancellationToken);
            for (int i = 0; i < 2; i++)
                await cluster.AddMirrorAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one mirror more.</summary>
    public async Task<ClusterNode> AddMirrorAsync(CancellationToken cancellationToken)
    {
        int number = _mirrors.Count + 1;
        ClusterNode mirror = ClusterNode.Mirror(
            number, NodePlace.Loopback, Path.Combine(Nodes.Folder, $"m{number}"), ["--core", Nodes.Servers, "--site", "far", "--replica-id", $"mirror-{number}", .. _switches]);
        _mirrors.Add(mirror);
        await mirror.StartAsync(cancellationToken);
        return mirror;
    }

    /// <summary>Waits until all core nodes are members, ready, and name one leader.</summary>
    public async Task HealthyAsync(CancellationToken cancellationToken)
    {
        await Nodes.MembersAsync(Nodes.Nodes.Count, cancellationToken);
        foreach (ClusterNode node in Nodes.Nodes)
            await Nodes.UntilAsync(async () => await node.TryNotReadyAsync(cancellationToken) == "", $"node {node.Number} is ready", cancellationToken);
        _ = await Nodes.LeaderAsync(cancellationToken);
    }

    /// <summary>Addresses of a node, for the command line.</summary>
    public static NodeAddresses AddressesOf(ClusterNode node) => new(node.Http, node.Grpc, node.Management, "");

    /// <summary>Addresses of all core nodes, some other one first each time.</summary>
    public NodeAddresses Any(Random random)
    {
        ClusterNode[] nodes = [.. Nodes.Nodes];
        random.Shuffle(nodes);
        return new NodeAddresses(nodes[0].Http, string.Join(',', nodes.Select(n => n.Grpc)), "", "");
    }

    /// <summary>The end of every log.</summary>
    public string Logs() => Nodes.Logs() + string.Concat(_mirrors.Select(m => $"\n--- {IdOf(m)} ({(m.IsRunning ? "running" : "ended")})\n{m.LogTail(40)}"));

    public async ValueTask DisposeAsync()
    {
        foreach (ClusterNode mirror in _mirrors)
            await mirror.DisposeAsync();
        await Nodes.DisposeAsync();
        await Postgres.DisposeAsync();
    }
}
