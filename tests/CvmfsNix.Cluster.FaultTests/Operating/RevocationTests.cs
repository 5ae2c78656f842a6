using System.Diagnostics;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>A token made on one of three nodes is good on all of them, and one that is taken back on none.</summary>
public sealed class RevocationTests(ITestOutputHelper output)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_token_taken_back_on_one_node_opens_nothing_on_the_others()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: three nodes");
        Assert.SkipWhen(PostgresServer.Missing is { }, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--require-tokens"] }, Ct);
        string admin = Path.Combine(cluster.Nodes[0].Keys, "admin.token");
        await cluster.UntilAsync(async () => (await AskAsync(0, admin)).ExitCode == 0, "the operator gets in", Ct);

        ProgramRun made = (await ProgramRun.RunAsync(BuiltProgram.Cli, ["token", "create", "reader", "--scope", "read", "--server", cluster.Nodes[0].Grpc], With(admin), Ct)).Succeeded();
        string token = made.Output.Trim();
        for (int i = 0; i < 3; i++)
            Assert.Equal(0, (await AskAsync(i, token)).ExitCode);
        var watch = Stopwatch.StartNew();
        (await ProgramRun.RunAsync(BuiltProgram.Cli, ["token", "revoke", token.Split('_')[1], "--server", cluster.Nodes[1].Grpc], With(admin), Ct)).Succeeded();
        for (int i = 0; i < 3; i++)
        {
            int node = i;
            await Deadline.UntilAsync(async () => (await AskAsync(node, token)).ExitCode == 3, $"node {node + 1} refuses the token", Ct);
            output.WriteLine($"node {node + 1} refuses it {watch.Elapsed.TotalSeconds:0.0} s after it was taken back on node 2");
        }

        Task<ProgramRun> AskAsync(int node, string credential) => ProgramRun.RunAsync(BuiltProgram.Cli, ["status", "--server", cluster.Nodes[node].Grpc], With(credential), Ct);

        static Dictionary<string, string> With(string credential) => new() { ["CVMFSNIX_TOKEN"] = credential };
    }
}
