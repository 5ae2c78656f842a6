using System.Collections.Concurrent;
using System.Diagnostics;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>Builders publish over all nodes while the one that leads goes away; everything acknowledged is one history, on every node.</summary>
public sealed class FailoverTests(ITestOutputHelper output)
{
    private const string Repository = "failover.example.org";
    private const int Publishers = 2;

    private readonly HistoryLog _history = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_node_takes_publishes_and_every_node_serves_them()
    {
        await using PostgresServer postgres = await StartPostgresAsync();
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")), Ct);
        (Builder builder, SyntheticStore store, RepositoryChecker checker) = await CreateAsync(cluster);
        for (int i = 0; i < cluster.Nodes.Count; i++)
        {
            PlannedPublish publish = PlannedPublish.New((await store.AddAsync($"each {i}", $"each {i}", [.. store.Paths.Select(p => p.Path)], 10, 2000, Ct)).Path);
            store.Register();
            CliResult result = await builder.PublishAsync(Address(cluster.Nodes[i].Grpc), publish, Ct);
            Assert.True(result.ExitCode == 0, result.Output + result.Errors + cluster.Logs());
        }

        await CheckEveryNodeAsync(cluster, checker);
    }

    [Theory]
    [InlineData(true, Skip = "at full size only: the faults on their own and the campaign of every run kill leaders too", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    [InlineData(false)]
    public async Task Publishes_go_on_when_the_leader_is_gone(bool killed)
    {
        await using PostgresServer postgres = await StartPostgresAsync();
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")), Ct);
        (Builder builder, SyntheticStore store, RepositoryChecker checker) = await CreateAsync(cluster);
        PlannedPublish[] planned = await PlanAsync(store, 400);
        ClusterNode leader = await cluster.LeaderAsync(Ct);

        var answers = new ConcurrentQueue<(string Transaction, long At)>();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var open = new ConcurrentQueue<PlannedPublish>(planned);
        Task[] publishers = [.. Enumerable.Range(0, Publishers).Select(_ => Task.Run(PublishAsync, Ct))];
        await cluster.UntilAsync(() => Task.FromResult(answers.Count >= 4), "publishes are answered", Ct);

        long gone = Stopwatch.GetTimestamp();
        if (killed)
            await leader.KillAsync();
        else
            Assert.Equal(0, await leader.StopAsync(Ct));
        int before = answers.Count;
        await cluster.UntilAsync(() => Task.FromResult(answers.Count >= before + 4), "publishes are answered again", Ct);
        await enough.CancelAsync();
        await Task.WhenAll(publishers);
        await leader.StartAsync(Ct);

        long[] times = [.. answers.Select(a => a.At).Order()];
        double next = Stopwatch.GetElapsedTime(gone, times.First(t => t > gone)).TotalSeconds;
        double gap = times.Zip(times.Skip(1), (a, b) => Stopwatch.GetElapsedTime(a, b).TotalSeconds).Max();
        output.WriteLine($"next answer {next:0.0} s after {(killed ? "the kill" : "SIGTERM")}; longest gap between two answers {gap:0.0} s; {times.Length} answers");
        foreach (((string code, string message), int count) in builder.Errors)
            output.WriteLine($"{count,4}  answers {code}: {message}");
        Assert.Empty(builder.Errors);
        await CheckEveryNodeAsync(cluster, checker);
        return;

        async Task PublishAsync()
        {
            while (!enough.IsCancellationRequested && open.TryDequeue(out PlannedPublish? publish))
            {
                CliResult result = await builder.PublishAsync(Address(cluster.Servers), publish, Ct);
                Assert.True(result.ExitCode == 0, result.Output + result.Errors);
                answers.Enqueue((publish.Transaction, Stopwatch.GetTimestamp()));
            }
        }
    }

    private async Task<(Builder Builder, SyntheticStore Store, RepositoryChecker Checker)> CreateAsync(ClusterOfNodes cluster)
    {
        CreatedRepository repository = await CreatedRepository.CreateAsync(Address(cluster.Servers), Repository, Ct);
        _history.Saw(repository.Revision, repository.RootHash);
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));
        return (new Builder(Repository, store, _history), store, new RepositoryChecker(Repository, repository.PublicKey, _history));
    }

    private static async Task<PlannedPublish[]> PlanAsync(SyntheticStore store, int count)
    {
        var planned = new List<PlannedPublish>();
        for (int i = 0; i < count; i++)
            planned.Add(PlannedPublish.New((await store.AddAsync($"{BuiltPrograms.Seed} {i}", $"{BuiltPrograms.Seed} {i}", [], 3, 1000, Ct)).Path));
        store.Register();
        return [.. planned];
    }

    /// <summary>Every node serves the newest revision, and with it everything that was acknowledged; all revisions are somebody's.</summary>
    private async Task CheckEveryNodeAsync(ClusterOfNodes cluster, RepositoryChecker checker)
    {
        foreach (ClusterNode node in cluster.Nodes)
        {
            ulong newest = _history.HighestRevision;
            (await cluster.CliAsync(["wait", "--repo", Repository, "--revision", $"{newest}", "--json"], Ct, node)).Succeeded();
            ulong head = await checker.CheckEverythingAsync(node.Http, Ct);
            _history.CheckEveryRevisionIsSomebodys(head);
        }
    }

    private static NodeAddresses Address(string servers) => new("", servers, "", "");

    private static async Task<PostgresServer> StartPostgresAsync()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        return await PostgresServer.StartAsync(null, Ct);
    }
}
