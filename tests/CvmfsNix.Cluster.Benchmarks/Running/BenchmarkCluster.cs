using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>Three nodes as processes of their own, two copies of everything, over a PostgreSQL that keeps what it says it has: no setting is softened.</summary>
internal sealed class BenchmarkCluster : IAsyncDisposable
{
    private const int Size = 3;

    private BenchmarkCluster(PostgresServer postgres, ClusterOfNodes nodes) => (Postgres, Nodes) = (postgres, nodes);

    public PostgresServer Postgres { get; }

    public ClusterOfNodes Nodes { get; }

    /// <summary>Starts everything and waits until every node takes publishes.</summary>
    public static async Task<BenchmarkCluster> StartAsync(CancellationToken cancellationToken)
    {
        PostgresServer postgres = await PostgresServer.StartAsync(null, cancellationToken);
        try
        {
            ClusterOfNodes nodes = await ClusterOfNodes.StartAsync(
                new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "2", "--log-level", "information"] }, cancellationToken);
            var cluster = new BenchmarkCluster(postgres, nodes);
            await cluster.HealthyAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await postgres.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a repository.</summary>
    /// <returns>Its public key, PEM.</returns>
    public async Task<string> CreateAsync(string fqrn, CancellationToken cancellationToken) =>
        (await Nodes.CliAsync(["repo", "create", fqrn, "--json"], cancellationToken)).Json.GetProperty("publicKey").GetString()!;

    /// <summary>Waits until all nodes are members, ready, and name one leader.</summary>
    public async Task HealthyAsync(CancellationToken cancellationToken)
    {
        await Nodes.MembersAsync(Size, cancellationToken);
        foreach (ClusterNode node in Nodes.Nodes)
            await Nodes.UntilAsync(async () => await node.TryNotReadyAsync(cancellationToken) == "", $"node {node.Number} is ready", cancellationToken);
        _ = await Nodes.LeaderAsync(cancellationToken);
    }

    /// <summary>Processor seconds used so far, by kind of process; only those that run now.</summary>
    public async Task<IReadOnlyDictionary<string, double>> ProcessorAsync(CancellationToken cancellationToken)
    {
        ClusterNode leader = await Nodes.LeaderAsync(cancellationToken);
        int postmaster = int.Parse((await Postgres.QueryAsync("cvmfsnix", "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)", cancellationToken)).Single(), System.Globalization.CultureInfo.InvariantCulture);
        return MachineLoad.Seconds(
        [
            .. Nodes.Nodes.Where(n => n.IsRunning).Select(n => (n == leader ? "leader" : "other nodes", n.Id)),
            .. MachineLoad.Family(postmaster).Select(p => ("PostgreSQL", p)),
            ("builders", Environment.ProcessId),
        ]);
    }

    public async ValueTask DisposeAsync()
    {
        await Nodes.DisposeAsync();
        await Postgres.DisposeAsync();
    }
}
