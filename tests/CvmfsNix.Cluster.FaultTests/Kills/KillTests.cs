using System.Diagnostics;
using System.Text;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Steps;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Kills;

/// <summary>
/// The node is killed again and again while builders publish, each time certainly inside a publish; it is started again by
/// the same command line, and nothing that was acknowledged may be missing or have happened twice.
/// </summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private const string Repository = "kills.example.org";
    private const int Builders = 2;
    private const int TransactionsOfABuilder = 3;

    private const int KillsInEveryPhase = 5;

    private static readonly string[] Steps =
    [
        StepNames.StageWritten, StepNames.StageDurable, StepNames.SealBundle, StepNames.SealBefore, StepNames.SealAfter,
        StepNames.CatalogsBuilt, StepNames.CatalogsDurable, StepNames.AppendBefore, StepNames.AppendAfter,
        StepNames.NamedBefore, StepNames.NamedTemporary, StepNames.NamedAfter,
    ];

    private static readonly string[] TryAgain = ["NoLeader", "OutcomeUnknown", "Overloaded", "Unreachable", "TimedOut"];

    private readonly HistoryLog _history = new();
    private readonly Dictionary<string, int> _histogram = [];
    private readonly List<PlannedPublish> _planned = [];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nothing_acknowledged_is_lost_or_applied_twice_however_often_the_node_is_killed(bool nixDatabase)
    {
        Assert.SkipWhen(nixDatabase && !BuiltPrograms.FullSize, "at full size only: the same with a database of Nix in the tree takes as long again");
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        int kills = nixDatabase ? 60 : BuiltPrograms.FullSize ? 200 : 40;
        int atRandom = kills / 10;
        int seed = BuiltPrograms.Seed;
        output.WriteLine($"seed {seed}, {kills} kills");
        var random = new Random(seed);
        using var scratch = new Scratch("kills");
        await using var listener = new StepListener();
        var settings = new NodeSettings(scratch["data"]) { StepSocket = listener.SocketPath };
        NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken);
        try
        {
            settings = settings with { Addresses = node.Addresses };
            CreatedRepository repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, cancellationToken, nixDatabase ? ["--nix-db"] : []);
            _history.Saw(repository.Revision, repository.RootHash);
            var checker = new RepositoryChecker(Repository, repository.PublicKey, _history);
            var store = new SyntheticStore(scratch["store"]);
            var builder = new Builder(Repository, store, _history);

            for (int kill = 0; kill < kills; kill++)
            {
                string step = kill < kills - atRandom ? Steps[kill % Steps.Length] : "";
                NodeProcess victim = node;
                Task<StepMark> hit = step.Length > 0
                    ? listener.ArmAsync(step, 1 + random.Next(2), victim.KillNow)
                    : listener.ArmAnyAsync(1 + random.Next(12), () => KillSoon(victim, TimeSpan.FromMilliseconds(random.Next(60))));

                Task publishing = await PublishUntilHitAsync(builder, store, settings.Addresses, random, hit, cancellationToken);
                StepMark mark = await hit;
                await victim.KillAsync();
                await victim.DisposeAsync();
                listener.Disarm();
                int open = _planned.Count(p => !_history.IsAcknowledged(p.Transaction));
                // One that is hit may be the revision that brings the database along, which is nobody's.
                Assert.True(open > 0 || nixDatabase, $"kill {kill} at {mark} hit no open publish");
                Count(step.Length > 0 ? mark.Step : "random");

                node = await NodeProcess.StartAsync(settings, cancellationToken);
                await publishing;
                await CheckAfterRestartAsync(checker, node.Addresses, random, cancellationToken);
                if (nixDatabase)
                    await NixDatabaseCheck.ReadAsync(node.Addresses, Repository, scratch["database"], cancellationToken);
            }

            await PublishTheRestAsync(builder, node.Addresses, cancellationToken);
            await AskAgainForEverythingAsync(builder, node.Addresses, cancellationToken);
            ulong head = await checker.CheckEverythingAsync(node.Addresses.Http, cancellationToken);
            if (nixDatabase)
                await NixDatabaseCheck.CompleteAsync(node.Addresses, Repository, scratch["database"], cancellationToken);
            else
                _history.CheckEveryRevisionIsSomebodys(head);
            Print(builder, head);
            // A kill may cost a builder its patience, never tell it something final that is not so.
            Assert.DoesNotContain(builder.Errors.Keys, e => !TryAgain.Contains(e.Code));
            foreach (string phase in (string[])["stage", "seal", "catalogs", "append", "named"])
                Assert.True(Hits(phase) >= KillsInEveryPhase, $"only {Hits(phase)} kills in the phase {phase}");
            Assert.Equal(kills, _histogram.Values.Sum());
        }
        finally
        {
            await node.DisposeAsync();
        }
    }

    /// <summary>Feeds batches to two builders at once until the armed kill has happened; the builders of that moment go on.</summary>
    private async Task<Task> PublishUntilHitAsync(
        Builder builder, SyntheticStore store, NodeAddresses server, Random random, Task hit, CancellationToken cancellationToken)
    {
        while (true)
        {
            IReadOnlyList<PlannedPublish> fresh = await PlanAsync(store, random, cancellationToken);
            PlannedPublish[] retried = [.. _planned.Where(p => !_history.IsAcknowledged(p.Transaction))];
            _planned.AddRange(fresh);
            PlannedPublish[] all = [.. retried, .. fresh];
            Task publishing = Task.WhenAll(Enumerable.Range(0, Builders).Select(b => builder.PublishBatchAsync(
                server, [.. all.Where((_, i) => i % Builders == b)], TransactionsOfABuilder, cancellationToken)));
            if (await Task.WhenAny(hit, publishing) == hit)
                return publishing;
            await publishing;
        }
    }

    /// <summary>New paths, partly on top of earlier ones, and one path that both builders publish in transactions of their own.</summary>
    private async Task<IReadOnlyList<PlannedPublish>> PlanAsync(SyntheticStore store, Random random, CancellationToken cancellationToken)
    {
        PathInfo shared = await MakeAsync([]);
        var publishes = new List<PlannedPublish>();
        for (int i = 0; i < Builders * TransactionsOfABuilder; i++)
        {
            List<StorePathName> references = [];
            if (i < Builders)
                references.Add(shared.Path);
            if (store.Paths.Count > 1 && random.Next(2) == 0)
                references.Add(store.Paths[random.Next(store.Paths.Count)].Path);
            PathInfo path = await MakeAsync([.. references.Distinct()]);
            publishes.Add(PlannedPublish.New(path.Path));
        }

        store.Register();
        return publishes;

        Task<PathInfo> MakeAsync(IReadOnlyList<StorePathName> references)
        {
            string identity = $"{BuiltPrograms.Seed} {store.Paths.Count}";
            // Both sides of the bound from which a path gets a catalog of its own.
            return store.AddAsync(identity, identity, references, files: 1 + random.Next(10), fileBytesMax: 3000, cancellationToken);
        }
    }

    private async Task CheckAfterRestartAsync(RepositoryChecker checker, NodeAddresses server, Random random, CancellationToken cancellationToken)
    {
        await checker.CheckListingAsync(server.Http, cancellationToken);
        Acknowledgement[] acknowledged = [.. _history.Acknowledged.OrderBy(a => a.Revision)];
        foreach (Acknowledgement one in acknowledged.TakeLast(1).Concat(random.GetItems(acknowledged, Math.Min(1, acknowledged.Length))))
        {
            JsonElement status = default;
            // The ledger may have been killed before it noted the answer; it asks the writer again.
            await Deadline.UntilAsync(
                async () =>
                {
                    status = (await CliProcess.RunAsync(server, ["status", "--repo", Repository, "--transaction", one.Transaction], cancellationToken)).Document;
                    return status.GetProperty("status").GetString() != "sealed";
                },
                $"transaction {one.Transaction} is decided",
                cancellationToken);
            Assert.Equal("committed", status.GetProperty("status").GetString());
            Assert.Equal(one.Revision, status.GetProperty("revision").GetUInt64());
        }
    }

    private async Task PublishTheRestAsync(Builder builder, NodeAddresses server, CancellationToken cancellationToken)
    {
        PlannedPublish[] rest = [.. _planned.Where(p => !_history.IsAcknowledged(p.Transaction))];
        if (rest.Length > 0)
            await builder.PublishBatchAsync(server, rest, TransactionsOfABuilder, cancellationToken);
        Assert.All(_planned, p => Assert.True(_history.IsAcknowledged(p.Transaction), $"transaction {p.Transaction} was never acknowledged"));
    }

    /// <summary>The history refuses an answer that differs from the first one.</summary>
    private async Task AskAgainForEverythingAsync(Builder builder, NodeAddresses server, CancellationToken cancellationToken)
    {
        CliResult again = await builder.PublishBatchAsync(server, _planned, 16, cancellationToken);
        Assert.Equal(0, again.ExitCode);
        Assert.Equal(_planned.Count, again.Lines.Count);
    }

    private static void KillSoon(NodeProcess node, TimeSpan delay)
    {
        // The instant is meant to be arbitrary: nothing waits for this delay to prove anything.
        long start = Stopwatch.GetTimestamp();
        SpinWait.SpinUntil(() => Stopwatch.GetElapsedTime(start) >= delay);
        node.KillNow();
    }

    private void Count(string step) => _histogram[step] = _histogram.GetValueOrDefault(step) + 1;

    private int Hits(string phase) => _histogram.Where(h => h.Key.StartsWith(phase + ".", StringComparison.Ordinal)).Sum(h => h.Value);

    private void Print(Builder builder, ulong head)
    {
        var text = new StringBuilder().AppendLine($"head is revision {head}; {_planned.Count} transactions, {_history.Paths.Count} paths");
        foreach (string step in Steps.Append("random"))
            text.AppendLine($"{_histogram.GetValueOrDefault(step),4}  {step}");
        foreach (((string code, string message), int count) in builder.Errors)
            text.AppendLine($"{count,4}  answers {code}: {message}");
        output.WriteLine(text.ToString());
    }
}
