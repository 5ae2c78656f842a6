using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>The sample settings start the nodes they describe; only places that exist on this machine are put in by switches.</summary>
public sealed class SampleSettingsTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_embedded_sample_starts()
    {
        using var scratch = new Scratch("sample");
        await using NodeProcess node = await NodeProcess.StartAsync(
            new NodeSettings(scratch["data"]) { Switches = ["--config", Sample("embedded.json"), "--keys", scratch["keys"]] }, Ct);
        Assert.Equal(0, await node.StopAsync(Ct));
    }

    [Fact]
    public async Task Three_nodes_start_from_the_core_sample()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(
            new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--config", Sample("core.json")] }, Ct);
        await cluster.MembersAsync(3, Ct);
    }

    private static string Sample(string name) => Path.GetFullPath(TestData.Path(Path.Combine("..", "..", "cluster-config", name)));
}
