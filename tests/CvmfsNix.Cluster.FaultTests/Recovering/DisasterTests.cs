using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Recovering;

/// <summary>A cluster comes back after losses that its copies do not cover, by the commands that the documentation tells to give.</summary>
public sealed class DisasterTests(ITestOutputHelper output)
{
    private const string Repository = "disaster.example.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_of_three_stores_and_the_database_server_are_lost()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: it starts two clusters");
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        using var scratch = new Scratch("disaster");
        ClusterRun run = await ClusterRun.CreateAsync(scratch, 24);
        CreatedRepository repository;
        PostgresServer lost = await PostgresServer.StartAsync(null, Ct);
        string survivor;
        await using (ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(lost.ConnectionString("cvmfsnix")), Ct))
        {
            repository = await CreatedRepository.CreateAsync(run.Addresses(cluster), Repository, Ct);
            await run.PublishAsync(cluster, 8);
            ClusterNode left = cluster.Nodes[2];
            await CommandAsync("backup", scratch["backup"], "--data", left.Data, "--keys", left.Keys, "--journal", lost.ConnectionString("cvmfsnix"), "--store", "reference");
            await run.PublishAsync(cluster, 8);
            await run.ServedAsync(left, repository.PublicKey);
            foreach (ClusterNode node in cluster.Nodes)
                await node.KillAsync();
            await lost.CrashAsync();
            survivor = scratch["survivor"];
            Directory.Move(left.Data, survivor);
            Directory.Move(left.Keys, scratch["keys"]);
        }

        await lost.DisposeAsync();
        await using PostgresServer server = await PostgresServer.StartAsync(null, Ct);
        string journal = server.ConnectionString("cvmfsnix");
        await using ClusterOfNodes anew = ClusterOfNodes.Create(new ClusterSettings(journal));
        Directory.Move(survivor, anew.Nodes[0].Data);
        Directory.Move(scratch["keys"], anew.Nodes[0].Keys);
        var environment = new Dictionary<string, string>
        {
            ["CVMFSNIX__JOURNAL"] = journal,
            ["BACKUP"] = scratch["backup"],
            ["DATA"] = anew.Nodes[0].Data,
            ["KEYS"] = anew.Nodes[0].Keys,
            ["REPOSITORY"] = Repository,
            ["URL"] = $"{anew.Nodes[0].Http}/cvmfs/{Repository}",
            ["CVMFSNIX_SERVER"] = anew.Servers,
        };
        (string[] mend, string[] look) = Documented();
        await FollowAsync(mend, environment);
        await anew.StartAllAsync(Ct);
        await FollowAsync(look, environment);
        foreach (ClusterNode node in anew.Nodes)
            Assert.Equal(run.History.HighestRevision, await run.Checker(repository).CheckEverythingAsync(node.Http, Ct));
        await run.PublishAsync(anew, 4);
        await run.AskAgainAsync(anew);
        foreach (ClusterNode node in anew.Nodes)
        {
            await run.ServedAsync(node, repository.PublicKey);
            await run.Checker(repository).CheckEverythingAsync(node.Http, Ct);
        }
    }

    [Fact]
    public async Task A_promoted_standby_lacks_the_last_commits()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: it starts a cluster and two database servers");
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        using var scratch = new Scratch("standby");
        ClusterRun run = await ClusterRun.CreateAsync(scratch, 24);
        await using PostgresServer primary = await PostgresServer.StartAsync(null, Ct);
        await using PostgresServer standby = await PostgresServer.FollowAsync(primary, "standby", NodePlace.Loopback, Ct);
        string journal = $"Host={primary.Host}:{primary.Port},{standby.Host}:{standby.Port};Username=postgres;Database=cvmfsnix;Target Session Attributes=read-write";
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(journal), Ct);
        CreatedRepository repository = await CreatedRepository.CreateAsync(run.Addresses(cluster), Repository, Ct);
        await run.PublishAsync(cluster, 8);
        // It lags from here on.
        await standby.StopAsync();
        await run.PublishAsync(cluster, 8);
        foreach (ClusterNode node in cluster.Nodes)
            await run.ServedAsync(node, repository.PublicKey);
        await primary.CrashAsync();
        await standby.RestartAsync(Ct);
        await standby.PromoteAsync(Ct);
        // A leader that goes on must not put its next event behind events that this database never had.
        _ = await run.TryPublishAsync(cluster);
        await cluster.UntilAsync(async () => (await cluster.Nodes[0].TryNotReadyAsync(Ct))?.Contains("JournalBehindStores", StringComparison.Ordinal) == true, "the nodes refuse to lead", Ct);
        // Served all the same.
        Assert.Equal(run.History.HighestRevision, await run.Checker(repository).CheckEverythingAsync(cluster.Nodes[1].Http, Ct));
        string[] command = ["repo", "recover", Repository, "--data", cluster.Nodes[0].Data, "--keys", cluster.Nodes[0].Keys, "--journal", journal];
        await RefusedAsync("NodeRuns", [.. command, "--yes"]);
        foreach (ClusterNode node in cluster.Nodes)
            await node.KillAsync();

        CliResult plan = await CliProcess.RunAsync(null, command, Ct);
        await cluster.UntilAsync(
            async () => (plan = await CliProcess.RunAsync(null, command, Ct)).ExitCode == 2, "the database has not heard of the nodes for a while", Ct);
        Assert.False(plan.Lines.Single().GetProperty("done").GetBoolean());
        JsonElement done = await CommandAsync([.. command, "--yes"]);
        output.WriteLine(done.GetRawText());
        Assert.Equal(run.History.HighestRevision, done.GetProperty("revision").GetUInt64());
        Assert.Empty(done.GetProperty("lostRevisions").EnumerateArray());
        await cluster.StartAllAsync(Ct);
        await run.PublishAsync(cluster, 4);
        await run.AskAgainAsync(cluster);
        foreach (ClusterNode node in cluster.Nodes)
        {
            await run.ServedAsync(node, repository.PublicKey);
            await run.Checker(repository).CheckEverythingAsync(node.Http, Ct);
        }
    }

    /// <summary>The commands of the two blocks in the section on disaster recovery.</summary>
    private static (string[] Mend, string[] Look) Documented()
    {
        string text = File.ReadAllText(TestData.Path(Path.Combine("..", "..", "docs", "operations.md")));
        string section = text[text.IndexOf("## Disaster recovery", StringComparison.Ordinal)..];
        string[][] blocks = [.. section.Split("```").Where((_, i) => i % 2 == 1).Select(b => b.Split('\n').Where(l => l.StartsWith("cvmfsnix ", StringComparison.Ordinal)).ToArray())];
        Assert.Equal([2, 2], blocks.Select(b => b.Length));
        return (blocks[0], blocks[1]);
    }

    private async Task FollowAsync(string[] commands, Dictionary<string, string> environment)
    {
        string path = Path.GetDirectoryName(BuiltPrograms.Cli) + ":" + Environment.GetEnvironmentVariable("PATH");
        foreach (string command in commands)
        {
            ProgramRun followed = await ProgramRun.RunAsync("bash", ["-euc", command], new Dictionary<string, string>(environment) { ["PATH"] = path }, Ct);
            output.WriteLine($"{command}\n{followed.Succeeded().Output}");
        }
    }

    private static async Task<JsonElement> CommandAsync(params string[] arguments) => (await CliProcess.RunAsync(null, arguments, Ct)).Document;

    private static async Task RefusedAsync(string code, params string[] arguments)
    {
        CliResult refused = await CliProcess.RunAsync(null, arguments, Ct);
        Assert.Equal((1, code), (refused.ExitCode, refused.Lines.Single().GetProperty("error").GetProperty("code").GetString()));
    }

    /// <summary>What is published in a test, and what was answered.</summary>
    private sealed class ClusterRun
    {
        private readonly List<PlannedPublish> _planned = [];
        private SyntheticStore _store = null!;
        private Builder _builder = null!;
        private int _next;

        public HistoryLog History { get; } = new();

        public static async Task<ClusterRun> CreateAsync(Scratch scratch, int paths)
        {
            var run = new ClusterRun { _store = new SyntheticStore(scratch["store"]) };
            var made = new List<PathInfo>();
            for (int i = 0; i < paths; i++)
                made.Add(await run._store.AddAsync($"lost {i}", $"lost {i}", i == 0 ? [] : [made[i / 2].Path], 1 + (i % 9), 3000, Ct));
            run._store.Register();
            run._planned.AddRange(made.Select(p => PlannedPublish.New(p.Path)));
            run._builder = new Builder(Repository, run._store, run.History);
            return run;
        }

        public NodeAddresses Addresses(ClusterOfNodes cluster) => new("", cluster.Servers, "", "");

        public RepositoryChecker Checker(CreatedRepository repository) => new(Repository, repository.PublicKey, History);

        public async Task PublishAsync(ClusterOfNodes cluster, int count)
        {
            CliResult published = await _builder.PublishBatchAsync(Addresses(cluster), [.. _planned.Skip(_next).Take(count)], 3, Ct);
            Assert.True(published.ExitCode == 0, published.Output + published.Errors);
            _next += count;
        }

        /// <summary>One more publish that may be in vain for now; it is asked for again later.</summary>
        public Task<CliResult> TryPublishAsync(ClusterOfNodes cluster) => CliProcess.RunAsync(
            Addresses(cluster), ["publish", "--repo", Repository, .. _planned[_next].Roots.Select(SyntheticStore.FullPath), "--transaction", _planned[_next].Transaction, .. _store.Arguments, "--timeout", "15"], Ct);

        /// <summary>Builders that repeat what they asked for are answered, if not always with the first answer.</summary>
        public async Task AskAgainAsync(ClusterOfNodes cluster)
        {
            var answers = new HistoryLog();
            CliResult again = await new Builder(Repository, _store, answers).PublishBatchAsync(Addresses(cluster), [.. _planned.Take(_next)], 3, Ct);
            Assert.True(again.ExitCode == 0, again.Output + again.Errors);
            Assert.Equal(_next, answers.Acknowledged.Count);
        }

        /// <summary>Waits until a node serves everything that was acknowledged.</summary>
        public Task ServedAsync(ClusterNode node, string publicKey) => Deadline.UntilAsync(
            async () => (await new RepositoryChecker(Repository, publicKey, History).HeadAsync(node.Http, Ct)).Revision >= History.HighestRevision, $"node {node.Number} serves the newest revision", Ct);
    }
}
