using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Nemesis.Load;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Load;

/// <summary>Many builders at once on three nodes with two copies and a PostgreSQL that syncs. How fast that is, the benchmarks tell.</summary>
public sealed class ManyBuildersTests(ITestOutputHelper output)
{
    private const string Repository = "many.example.org";
    private const int Sharing = 8;
    private const int Processes = 4;

    private static int Builders => BuiltPrograms.FullSize ? 64 : 16;

    private static int Publishes => BuiltPrograms.FullSize ? 20 : 8;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Overlapping_publishes_of_many_builders_make_one_history_that_every_store_holds()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "2"] }, Ct);
        string key = (await cluster.CliAsync(["repo", "create", Repository, "--json"], Ct)).Json.GetProperty("publicKey").GetString()!;
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));
        PlannedPublish[][] planned = await PlanAsync(store);
        var history = new HistoryLog();

        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Processes).Select(p => PublishAsync(cluster, store, [.. planned.Where((_, b) => b % Processes == p)], p, history)));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        IReadOnlyList<Acknowledgement> answers = history.Acknowledged;
        int revisions = answers.Select(a => a.Revision).Distinct().Count();
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{answers.Count} publishes of {Builders} builders in {seconds:0.0} s, {answers.Count / seconds:0} a second, {revisions} revisions with {(double)answers.Count / revisions:0.0} publishes each"));
        Assert.Equal(Builders * Publishes, answers.Count);
        await CheckEveryStoreAsync(cluster, postgres, key, history);
    }

    // Each builder's paths stand alone but for one that the builders beside it publish at the same moment.
    private static async Task<PlannedPublish[][]> PlanAsync(SyntheticStore store)
    {
        var planned = new PlannedPublish[Builders][];
        var shared = new Dictionary<(int Group, int Round), PathInfo>();
        for (int builder = 0; builder < Builders; builder++)
        {
            planned[builder] = new PlannedPublish[Publishes];
            for (int i = 0; i < Publishes; i++)
            {
                (int Group, int Round) at = (builder / Sharing, i);
                if (!shared.TryGetValue(at, out PathInfo? together))
                    shared[at] = together = await MakeAsync($"shared {at}", [], 3);
                planned[builder][i] = PlannedPublish.New((await MakeAsync($"own {builder} {i}", [together], 10)).Path);
            }
        }

        store.Register();
        return planned;

        Task<PathInfo> MakeAsync(string name, IReadOnlyList<PathInfo> references, int files) =>
            store.AddAsync($"{BuiltPrograms.Seed} {name}", $"{BuiltPrograms.Seed} {name}", [.. references.Select(r => r.Path)], files, 1000, Ct);
    }

    // One process, as many publishes at once as it has builders; a builder's next publish is handed in when its last one is answered.
    private static async Task PublishAsync(ClusterOfNodes cluster, SyntheticStore store, PlannedPublish[][] builders, int process, HistoryLog history)
    {
        Dictionary<string, PlannedPublish> publishes = builders.SelectMany(b => b).ToDictionary(p => p.Transaction);
        Dictionary<string, TaskCompletionSource> answered = publishes.Keys.ToDictionary(t => t, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        string servers = string.Join(',', Enumerable.Range(0, cluster.Nodes.Count).Select(i => cluster.Nodes[(process + i) % cluster.Nodes.Count].Grpc));
        using var writing = new SemaphoreSlim(1);
        await using var session = new PublishSession(servers, store.Arguments, builders.Length, answer =>
        {
            string transaction = answer.GetProperty("transaction").GetString()!;
            if (answer.TryGetProperty("error", out JsonElement error))
            {
                answered[transaction].TrySetException(new InvalidOperationException(error.ToString()));
                return;
            }

            history.Acknowledge(
                new Acknowledgement(transaction, answer.GetProperty("status").GetString()!, answer.GetProperty("revision").GetUInt64(), answer.GetProperty("rootHash").GetString()!),
                store.Closure(publishes[transaction].Roots));
            answered[transaction].TrySetResult();
        });
        await Task.WhenAll(builders.Select(async own =>
        {
            foreach (PlannedPublish publish in own)
            {
                await writing.WaitAsync(Ct);
                await session.HandInAsync(
                    JsonSerializer.Serialize(new { transaction = publish.Transaction, repository = Repository, paths = publish.Roots.Select(SyntheticStore.FullPath), closure = true }), Ct);
                writing.Release();
                await answered[publish.Transaction].Task.WaitAsync(Deadline.Publish, Ct);
            }
        }));
        (int exitCode, string errors) = await session.EndAsync(Ct);
        Assert.True(exitCode == 0, errors);
    }

    private static async Task CheckEveryStoreAsync(ClusterOfNodes cluster, PostgresServer postgres, string key, HistoryLog history)
    {
        var checker = new RepositoryChecker(Repository, key, history);
        string keyFile = Path.Combine(cluster.Folder, "key.pub");
        await File.WriteAllTextAsync(keyFile, key, Ct);
        ulong head = history.HighestRevision;
        foreach (ClusterNode node in cluster.Nodes)
        {
            (await cluster.CliAsync(["wait", "--repo", Repository, "--revision", $"{head}", "--json"], Ct, node)).Succeeded();
            string folder = Path.Combine(node.Data, "cvmfs", Repository);
            Assert.Equal(head, await checker.CheckEverythingAsync(folder, Ct));
            (await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", folder, "--pubkey", keyFile, "--deep"], null, Ct)).Succeeded();
        }

        history.CheckEveryRevisionIsSomebodys(head);
        // The creation brings the first revision; every other one is an event, and there is no second one of it.
        IReadOnlyList<string> rows = await postgres.QueryAsync(
            "cvmfsnix", $"SELECT count(*) FILTER (WHERE manifest = 'rr'), count(*) - count(DISTINCT sequence_number) FROM journal WHERE persistence_id = 'repository-{Repository}'", Ct);
        Assert.Equal($"{head - 1}|0", rows.Single());
    }
}
