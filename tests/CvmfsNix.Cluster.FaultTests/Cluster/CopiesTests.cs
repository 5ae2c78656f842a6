using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using System.Text.Json;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>Three nodes that keep two copies: what was acknowledged survives the loss of any of them, and nobody has to repair anything.</summary>
public sealed class CopiesTests(ITestOutputHelper output)
{
    private const string Fqrn = "copies.example.org";
    private const int Paths = 40;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_lost_gateway_acknowledged_is_on_the_others_and_its_empty_successor_refills_itself()
    {
        await using PostgresServer postgres = await StartPostgresAsync();
        await using ClusterOfNodes cluster = await StartAsync(postgres);
        var history = new HistoryLog();
        string key = await CreateAsync(cluster);
        ClusterNode leader = await cluster.LeaderAsync(Ct);
        ClusterNode gateway = cluster.Nodes.First(n => n != leader);
        SyntheticStore store = await StoreAsync(cluster);

        await PublishAsync(cluster, store, store.Paths.Take(Paths / 2), history, gateway);
        string lost = StoreId(gateway);
        await gateway.KillAsync();
        Directory.Delete(gateway.Data, recursive: true);
        await CompleteAsync(cluster, key, history);

        // The two that are left are enough for two copies, and the one that comes back has none of it.
        await PublishAsync(cluster, store, store.Paths.Skip(Paths / 2), history, leader);
        await gateway.StartAsync(Ct);
        await CompleteAsync(cluster, key, history);
        Assert.NotEqual(lost, StoreId(gateway));
        output.WriteLine($"{Directory.EnumerateFiles(Folder(gateway), "*", SearchOption.AllDirectories).Count()} files came back");

        // And now the other way round: what is left of the leader is not needed either.
        await leader.KillAsync();
        Directory.Delete(leader.Data, recursive: true);
        await CompleteAsync(cluster, key, history);
        await leader.StartAsync(Ct);
        await CompleteAsync(cluster, key, history);
    }

    [Fact]
    public async Task With_fewer_stores_than_copies_a_publish_waits_and_is_told_so_and_works_when_they_are_back()
    {
        await using PostgresServer postgres = await StartPostgresAsync();
        await using ClusterOfNodes cluster = await StartAsync(postgres);
        var history = new HistoryLog();
        string key = await CreateAsync(cluster);
        SyntheticStore store = await StoreAsync(cluster);
        foreach (ClusterNode node in cluster.Nodes.Skip(1))
            Assert.Equal(0, await node.StopAsync(Ct));
        ClusterNode alone = cluster.Nodes[0];
        await cluster.MembersAsync(1, Ct);

        string transaction = Guid.CreateVersion7().ToString();
        ProgramRun refused = await cluster.CliAsync(Publish(store, store.Paths, transaction, "--timeout", "40"), Ct, alone);
        Assert.Equal(4, refused.ExitCode);
        Assert.Equal("TooFewCopies", JsonDocument.Parse(refused.Output).RootElement.GetProperty("error").GetProperty("code").GetString());

        await cluster.StartAllAsync(Ct);
        ProgramRun done = await cluster.CliAsync(Publish(store, store.Paths, transaction), Ct);
        Enter(history, store, store.Paths, done.Json);
        await CompleteAsync(cluster, key, history);
    }

    [Fact(Skip = "at full size only: every run publishes through nodes that do not lead, with two copies", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public async Task With_one_copy_a_publish_through_a_node_that_does_not_lead_is_committed_and_reaches_all()
    {
        await using PostgresServer postgres = await StartPostgresAsync();
        await using ClusterOfNodes cluster = await StartAsync(postgres, copies: 1);
        var history = new HistoryLog();
        string key = await CreateAsync(cluster);
        ClusterNode leader = await cluster.LeaderAsync(Ct);
        SyntheticStore store = await StoreAsync(cluster);
        await PublishAsync(cluster, store, store.Paths, history, cluster.Nodes.First(n => n != leader));
        await CompleteAsync(cluster, key, history);
    }

    private static async Task<PostgresServer> StartPostgresAsync()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        return await PostgresServer.StartAsync(null, Ct);
    }

    private static Task<ClusterOfNodes> StartAsync(PostgresServer postgres, int copies = 2) =>
        ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", $"{copies}"] }, Ct);

    private static async Task<string> CreateAsync(ClusterOfNodes cluster) =>
        (await cluster.CliAsync(["repo", "create", Fqrn, "--json"], Ct)).Json.GetProperty("publicKey").GetString()!;

    private static async Task<SyntheticStore> StoreAsync(ClusterOfNodes cluster)
    {
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));
        StorePathName[] before = [];
        for (int i = 0; i < Paths; i++)
            before = [(await store.AddAsync($"p{i}", $"p{i}", before, 3 + (i % 12), 20_000, Ct)).Path];
        store.Register();
        return store;
    }

    private static string[] Publish(SyntheticStore store, IEnumerable<PathInfo> paths, string transaction, params string[] switches) =>
        ["publish", "--repo", Fqrn, .. paths.Select(p => SyntheticStore.FullPath(p.Path)), "--transaction", transaction, "--json", .. store.Arguments, .. switches];

    private static async Task PublishAsync(ClusterOfNodes cluster, SyntheticStore store, IEnumerable<PathInfo> paths, HistoryLog history, ClusterNode gateway)
    {
        PathInfo[] all = [.. paths];
        ProgramRun run = await cluster.CliAsync(Publish(store, all, Guid.CreateVersion7().ToString()), Ct, gateway);
        Enter(history, store, all, run.Json);
    }

    private static void Enter(HistoryLog history, SyntheticStore store, IEnumerable<PathInfo> paths, JsonElement answer) => history.Acknowledge(
        new Acknowledgement(
            answer.GetProperty("transaction").GetString()!,
            answer.GetProperty("status").GetString()!,
            answer.GetProperty("revision").GetUInt64(),
            answer.GetProperty("rootHash").GetString()!),
        store.Closure([.. paths.Select(p => p.Path)]));

    // Every running node's own folder holds all that was acknowledged, down to the archive hashes, and the audit finds nothing.
    private static async Task CompleteAsync(ClusterOfNodes cluster, string key, HistoryLog history)
    {
        foreach (ClusterNode node in cluster.Nodes.Where(n => n.IsRunning))
        {
            await cluster.UntilAsync(async () => await node.TryNotReadyAsync(Ct) == "", $"node {node.Number} is ready", Ct);
            // An acknowledgement waits for its gateway only; the others follow a moment later.
            await cluster.UntilAsync(() => Task.FromResult(ServedRevision(node) >= history.HighestRevision), $"node {node.Number} serves revision {history.HighestRevision}", Ct);
            await new RepositoryChecker(Fqrn, key, history).CheckEverythingAsync(Folder(node), Ct);
            Assert.Empty(TestKit.Store.CatalogAudit.Run(Folder(node)).Findings);
        }
    }

    private static ulong ServedRevision(ClusterNode node)
    {
        string file = Path.Combine(Folder(node), ".cvmfspublished");
        string? line = File.Exists(file) ? File.ReadLines(file, System.Text.Encoding.Latin1).FirstOrDefault(l => l.StartsWith('S')) : null;
        return line is null ? 0 : ulong.Parse(line[1..], System.Globalization.CultureInfo.InvariantCulture);
    }

    private static string Folder(ClusterNode node) => Path.Combine(node.Data, "cvmfs", Fqrn);

    private static string StoreId(ClusterNode node) => File.ReadAllText(Path.Combine(node.Data, "meta", ".store-id"));
}
