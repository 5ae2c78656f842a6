using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>What an operator has before him: an embedded node, or at full size three nodes on one database, the first of which is asked.</summary>
internal sealed class OperatedNodes : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _owned = [];

    private OperatedNodes(string grpc, string management, int count) => (Host, Management, Count) = (new Uri(grpc).Authority, management, count);

    /// <summary>Host and port of the control port that is asked.</summary>
    public string Host { get; }

    /// <summary>URL of the management port of the same node.</summary>
    public string Management { get; }

    public int Count { get; }

    /// <summary>Remoting address of the node that is asked.</summary>
    public string Address { get; private set; } = "";

    public static async Task<OperatedNodes> StartAsync(CancellationToken ct)
    {
        OperatedNodes nodes;
        if (BuiltPrograms.FullSize && PostgresServer.Missing is null)
        {
            PostgresServer postgres = await PostgresServer.StartAsync(null, ct);
            ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")), ct);
            await cluster.MembersAsync(3, ct);
            nodes = new OperatedNodes(cluster.Nodes[0].Grpc, cluster.Nodes[0].Management, 3);
            nodes._owned.AddRange([cluster, postgres]);
        }
        else
        {
            NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(Directory.CreateTempSubdirectory("cvmfsnix-ops-").FullName), ct);
            nodes = new OperatedNodes(node.Addresses.Grpc, node.Addresses.Management, 1);
            nodes._owned.Add(node);
        }

        nodes.Address = (await nodes.StatusAsync(ct)).GetProperty("node").GetString()!;
        return nodes;
    }

    /// <summary>What <c>/status</c> says.</summary>
    public async Task<JsonElement> StatusAsync(CancellationToken ct)
    {
        using var client = new HttpClient();
        using JsonDocument document = JsonDocument.Parse(await client.GetStringAsync(new Uri(Management + "/status"), ct));
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (IAsyncDisposable owned in _owned)
            await owned.DisposeAsync();
    }
}
