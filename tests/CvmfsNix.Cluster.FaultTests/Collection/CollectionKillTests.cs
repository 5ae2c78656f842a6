using System.Diagnostics;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Collection;

/// <summary>
/// The node is killed at each step of removals and collections, with builders at work; what is needed is there afterwards, and in the end nothing else is.
/// </summary>
public sealed class CollectionKillTests(ITestOutputHelper output)
{
    private const string Repository = "gc.example.org";

    private static readonly string[] Steps =
    [
        StepNames.RemovalEdited, StepNames.RemovalAppend, StepNames.AppendAfter, StepNames.CollectPlanned, StepNames.CollectDeleted,
        StepNames.CatalogsBuilt, StepNames.CatalogsDurable, StepNames.NamedBefore, StepNames.NamedTemporary, StepNames.CollectMark,
        StepNames.NamedAfter, StepNames.CollectForgotten, StepNames.UpkeepBefore, StepNames.UpkeepAfter, StepNames.SupersededDeleted, StepNames.RecordsDeleted, StepNames.ArchiveTrimmed,
    ];

    [Fact]
    public async Task Killed_at_any_step_of_a_removal_or_collection_it_loses_nothing_and_ends_it_later()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        int seed = BuiltPrograms.Seed;
        TimeSpan time = BuiltPrograms.FullSize ? TimeSpan.FromMinutes(10) : TimeSpan.Zero;
        var random = new Random(seed);
        using var scratch = new Scratch("gc-kills");
        await using var listener = new StepListener();
        var settings = new NodeSettings(scratch["data"]) { StepSocket = listener.SocketPath, Switches = ["--gc-grace", "2s", "--archive-keep", "2s"] };
        NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken);
        var hits = new Dictionary<string, int>();
        try
        {
            settings = settings with { Addresses = node.Addresses };
            var repository = new CollectedRepository(Repository, scratch);
            await repository.CreateAsync(node.Addresses, cancellationToken);
            await repository.PublishAsync(node.Addresses, random, pin: true, cancellationToken);
            int publishes = 0, acknowledged = 0;
            var contents = new HashSet<string>(StringComparer.Ordinal);
            long started = Stopwatch.GetTimestamp();
            for (int round = 0; round < 4 || Stopwatch.GetElapsedTime(started) < time; round++)
            {
                for (int i = 0; i < 3; i++)
                {
                    publishes++;
                    acknowledged += await repository.PublishAsync(node.Addresses, random, pin: random.Next(6) == 0, cancellationToken) ? 1 : 0;
                }

                string step = Steps[round % Steps.Length];
                NodeProcess victim = node;
                Task<StepMark> hit = listener.ArmAsync(step, 1, victim.KillNow);
                // Until the step is reached: a removal, collections by the clock, and publishes that may call for what goes.
                while (!hit.IsCompleted)
                {
                    await CliProcess.RunAsync(node.Addresses, ["gc", "--repo", Repository, "--timeout", "5"], cancellationToken);
                    await CliProcess.RunAsync(node.Addresses, ["tag", random.Next(2) == 0 ? "set" : "remove", $"t{random.Next(2)}", "--repo", Repository, "--timeout", "5"], cancellationToken);
                    if (!hit.IsCompleted)
                        await repository.PublishAsync(node.Addresses, random, pin: false, cancellationToken);
                }

                await victim.KillAsync();
                await victim.DisposeAsync();
                listener.Disarm();
                hits[step] = hits.GetValueOrDefault(step) + 1;
                node = await NodeProcess.StartAsync(settings, cancellationToken);
                await repository.VerifyAsync(node.Addresses, cancellationToken);
                contents.UnionWith(CollectedRepository.Objects(settings.Data, Repository).Where(IsContent));
            }

            foreach (string tag in (string[])["t0", "t1"])
                await CliProcess.RunAsync(node.Addresses, ["tag", "remove", tag, "--repo", Repository], cancellationToken);
            await repository.RemoveAsync(node.Addresses, cancellationToken);
            await AssertOnlyLiveAsync(repository, node.Addresses, settings.Data, random, cancellationToken);
            Assert.Contains(contents, f => !File.Exists(f));
            await repository.VerifyAsync(node.Addresses, cancellationToken);
            output.WriteLine($"seed {seed}: {acknowledged} of {publishes} publishes acknowledged, {repository.Pinned.Count} pinned; kills: {string.Join(", ", hits.Select(h => $"{h.Key} {h.Value}"))}");
        }
        finally
        {
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_store_that_lacks_a_catalog_deletes_nothing_and_says_why()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        var random = new Random(BuiltPrograms.Seed);
        using var scratch = new Scratch("gc-damage");
        var settings = new NodeSettings(scratch["data"]) { Switches = ["--gc-grace", "1s"] };
        await using NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken);
        var repository = new CollectedRepository(Repository, scratch);
        await repository.CreateAsync(node.Addresses, cancellationToken);
        for (int i = 0; i < 4; i++)
            await repository.PublishAsync(node.Addresses, random, pin: true, cancellationToken);
        string[] catalogs = [.. CollectedRepository.Objects(settings.Data, Repository).Where(f => f.EndsWith('C'))];
        Assert.NotEmpty(catalogs);
        var kept = new Dictionary<string, byte[]>();
        JsonElement status = default;
        // Some are of superseded revisions; one that is needed is among them.
        foreach (string catalog in catalogs)
        {
            kept.Add(catalog, await File.ReadAllBytesAsync(catalog, cancellationToken));
            File.Delete(catalog);
        }

        IReadOnlyList<string> before = CollectedRepository.Objects(settings.Data, Repository);
        await Deadline.UntilAsync(
            async () => (status = await repository.StatusAsync(node.Addresses, cancellationToken)).GetProperty("collectionProblem").ValueKind == JsonValueKind.String,
            "the collection complains",
            cancellationToken);
        Assert.Contains("Nothing is collected", status.GetProperty("collectionProblem").GetString());
        // Superseded tag databases go by an event of the writer, which needs no look at anything.
        Assert.Equal(before.Where(IsContent), CollectedRepository.Objects(settings.Data, Repository).Where(IsContent));

        foreach ((string file, byte[] bytes) in kept)
            await File.WriteAllBytesAsync(file, bytes, cancellationToken);
        await Deadline.UntilAsync(
            async () => (await repository.StatusAsync(node.Addresses, cancellationToken)).GetProperty("collectionProblem").ValueKind == JsonValueKind.Null,
            "the collection goes on",
            cancellationToken);
        await repository.VerifyAsync(node.Addresses, cancellationToken);
    }

    private static bool IsContent(string file) => char.IsAsciiHexDigitLower(file[^1]) || file.EndsWith('P');

    /// <summary>After every grace what lies in the store is what is needed.</summary>
    private static async Task AssertOnlyLiveAsync(CollectedRepository repository, NodeAddresses server, string data, Random random, CancellationToken cancellationToken)
    {
        // The revision before the newest has a name too: two more, and it is without what was removed.
        for (int i = 0; i < 2; i++)
            await repository.PublishAsync(server, random, pin: true, cancellationToken);
        await Deadline.UntilAsync(
            async () =>
            {
                JsonElement status = await repository.StatusAsync(server, cancellationToken);
                Assert.Equal(JsonValueKind.Null, status.GetProperty("collectionProblem").ValueKind);
                return status.GetProperty("waiting").GetArrayLength() == 0
                    && status.GetProperty("youngObjects").GetInt64() == 0
                    && status.GetProperty("liveObjects").GetInt64() == CollectedRepository.Objects(data, Repository).Count;
            },
            "only what is needed is left",
            cancellationToken);
        // The collector counts what it found itself; this reads the catalogs with other code.
        var audit = CatalogAudit.Run(Path.Combine(data, "cvmfs", Repository));
        Assert.Empty(audit.Findings);
        string[] reached = [.. audit.Objects.Select(o => Path.GetFullPath(Path.Combine(data, "cvmfs", Repository, o)))];
        Assert.Empty(CollectedRepository.Objects(data, Repository).Where(IsContent).Select(Path.GetFullPath).Except(reached));
    }
}
