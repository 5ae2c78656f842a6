using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>
/// What an operator has before him, once for all tests of a class: an embedded node, or at full size three nodes on one database, the first of which is asked; and a mirror that follows.
/// </summary>
public sealed class OperatedNodes : IAsyncLifetime
{
    /// <summary>Id of the mirror.</summary>
    public const string Mirror = "mirror-1";

    private readonly List<IAsyncDisposable> _owned = [];
    private readonly Scratch _scratch = new("ops");

    /// <summary>Host and port of the control port that is asked.</summary>
    public string Host { get; private set; } = "";

    /// <summary>URL of the management port of the same node.</summary>
    public string Management { get; private set; } = "";

    public int Count { get; private set; }

    /// <summary>Remoting address of the node that is asked.</summary>
    public string Address { get; private set; } = "";

    /// <summary>URL of the data port of the same node.</summary>
    public string Data { get; private set; } = "";

    /// <summary>Gets the nodes that nobody asks and that may be put out; empty in the short run.</summary>
    public IReadOnlyList<string> Others { get; private set; } = [];

    /// <summary>Follows all repositories of the node that is asked.</summary>
    internal ClusterNode MirrorNode { get; private set; } = null!;

    /// <summary>Takes the traces of all of them.</summary>
    internal TraceCollector Traces { get; } = new();

    public async ValueTask InitializeAsync()
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        _owned.Add(Traces);
        if (BuiltPrograms.FullSize && PostgresServer.Missing is null)
        {
            PostgresServer postgres = await PostgresServer.StartAsync(null, ct);
            _owned.Add(postgres);
            ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Environment = Traces.Environment }, ct);
            _owned.Add(cluster);
            await cluster.MembersAsync(3, ct);
            (Host, Management, Data, Count) = (new Uri(cluster.Nodes[0].Grpc).Authority, cluster.Nodes[0].Management, cluster.Nodes[0].Http, 3);
            Others = [.. cluster.Nodes.Skip(1).Select(n => n.Address)];
        }
        else
        {
            NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(_scratch["core"]) { Environment = Traces.Environment }, ct);
            _owned.Add(node);
            (Host, Management, Data, Count) = (new Uri(node.Addresses.Grpc).Authority, node.Addresses.Management, node.Addresses.Http, 1);
        }

        MirrorNode = ClusterNode.Mirror(
            9, new NodePlace("127.0.0.1", ["env", .. Traces.Environment.Select(e => $"{e.Key}={e.Value}")]), _scratch["mirror"], ["--core", "http://" + Host, "--replica-id", Mirror, "--site", "geneva"]);
        _owned.Add(MirrorNode);
        MirrorNode.Launch();
        Address = (await StatusAsync(ct)).GetProperty("node").GetString()!;
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
        foreach (IAsyncDisposable owned in Enumerable.Reverse(_owned))
            await owned.DisposeAsync();
        _scratch.Dispose();
    }
}
