using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Recovering;

/// <summary>From one node to a cluster, and from a live cluster to one node, by backups.</summary>
public sealed class GrowthTests(ITestOutputHelper output)
{
    private const string Repository = "growth.example.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_node_becomes_a_cluster_and_a_live_cluster_becomes_one_node()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: it starts a cluster");
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        using var scratch = new Scratch("growth");
        var history = new HistoryLog();
        var store = new SyntheticStore(scratch["store"]);
        var paths = new List<PathInfo>();
        for (int i = 0; i < 40; i++)
            paths.Add(await store.AddAsync($"growth {i}", $"growth {i}", i == 0 ? [] : [paths[i / 2].Path], 1 + (i % 9), 3000, Ct));
        store.Register();
        var builder = new Builder(Repository, store, history);
        PlannedPublish[] planned = [.. paths.Select(p => PlannedPublish.New(p.Path))];
        CreatedRepository repository;
        await using (NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["one"]), Ct))
        {
            repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, Ct);
            Assert.Equal(0, (await builder.PublishBatchAsync(node.Addresses, planned[..8], 2, Ct)).ExitCode);
            await RunAsync("backup", scratch["b1"], "--data", scratch["one"], "--with-keys");
            Assert.Equal(0, await node.StopAsync(Ct));
        }

        ulong grown = history.HighestRevision;
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        string journal = postgres.ConnectionString("cvmfsnix");
        await using ClusterOfNodes cluster = ClusterOfNodes.Create(new ClusterSettings(journal));
        await RunAsync("restore", scratch["b1"], "--data", cluster.Nodes[0].Data, "--keys", cluster.Nodes[0].Keys, "--journal", journal);
        await RefusedAsync("TargetNotEmpty", "restore", scratch["b1"], "--data", scratch["unused"], "--journal", journal);
        Assert.False(Directory.Exists(scratch["unused"]));
        await cluster.StartAllAsync(Ct);
        var checker = new RepositoryChecker(Repository, repository.PublicKey, history);
        foreach (ClusterNode node in cluster.Nodes)
            Assert.Equal(grown, await checker.CheckEverythingAsync($"{node.Http}", Ct));

        var addresses = new NodeAddresses(cluster.Nodes[0].Http, cluster.Servers, "", "");
        Task<CliResult> publishing = builder.PublishBatchAsync(addresses, planned[8..38], 3, Ct);
        await Deadline.UntilAsync(() => Task.FromResult(publishing.IsCompleted || history.HighestRevision > grown + 2), "the cluster publishes", Ct);
        JsonElement taken = await RunAsync("backup", scratch["b2"], "--data", cluster.Nodes[1].Data, "--keys", cluster.Nodes[1].Keys, "--journal", journal, "--with-keys");
        CliResult published = await publishing;
        Assert.True(published.ExitCode == 0, published.Output + published.Errors);
        // The audit log and the numbers of rows go on, too.
        Assert.Equal(["t"], await postgres.QueryAsync("cvmfsnix", "SELECT count(*) = count(DISTINCT ordering) AND max(ordering) = (SELECT last_value FROM journal_ordering_seq) FROM journal", Ct));

        JsonElement held = Assert.Single(taken.GetProperty("repositories").EnumerateArray());
        ulong revision = held.GetProperty("revision").GetUInt64();
        output.WriteLine($"backup of the cluster at revision {revision}, {history.HighestRevision} was reached");
        Assert.InRange(revision, grown + 1, history.HighestRevision);
        Assert.Equal(0, taken.GetProperty("transactionsLeftOut").GetInt64());
        await RunAsync("restore", scratch["b2"], "--data", scratch["two"]);
        var since = new HistoryLog();
        foreach (Acknowledgement known in history.Acknowledged.Where(a => a.Revision <= revision))
            since.Acknowledge(known, store.Closure(planned.Single(p => p.Transaction == known.Transaction).Roots));
        var elsewhere = new RepositoryChecker(Repository, repository.PublicKey, since);
        await using NodeProcess alone = await NodeProcess.StartAsync(new NodeSettings(scratch["two"]), Ct);
        // What was sealed at that moment is committed now.
        ulong served = await elsewhere.CheckEverythingAsync(alone.Addresses.Http, Ct);
        Assert.True(served >= revision);
        CliResult next = await new Builder(Repository, store, since).PublishAsync(alone.Addresses, PlannedPublish.New(paths[39].Path), Ct);
        Assert.True(next.Document.GetProperty("revision").GetUInt64() > revision);
        await elsewhere.CheckEverythingAsync(alone.Addresses.Http, Ct);
    }

    private static async Task<JsonElement> RunAsync(params string[] arguments) => (await CliProcess.RunAsync(null, arguments, Ct)).Document;

    private static async Task RefusedAsync(string code, params string[] arguments)
    {
        CliResult refused = await CliProcess.RunAsync(null, arguments, Ct);
        Assert.Equal((1, code), (refused.ExitCode, refused.Lines.Single().GetProperty("error").GetProperty("code").GetString()));
    }
}
