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
