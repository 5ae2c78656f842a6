using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Collection;

/// <summary>
/// Publishes, removals, withdrawals, rollbacks, tags that come, move and go, collections, kills, frozen and paused mirrors, all at once for ten minutes. Whatever is served anywhere at any time
/// is whole; in the end everything needed is everywhere, and nothing else is anywhere. Then what was forgotten of the history is not missed: by an index that is lost, a store
/// that is empty, a mirror that is new.
/// </summary>
public sealed class LifeCampaignTests(ITestOutputHelper output) : IDisposable
{
    private const string Repository = "life.example.org";
    private const int Tags = 4;
    private const int Builders = 2;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(8);

    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, int> _done = new(StringComparer.Ordinal);

    // A rollback takes all of them: what is pinned meanwhile would be rolled back with the rest.
    private readonly SemaphoreSlim _publishing = new(Builders);
    private int _pinnedAt;

    // Ten minutes, or what CVMFSNIX_LIFE_MINUTES says.
    private static TimeSpan Length => TimeSpan.FromMinutes(
        double.TryParse(Environment.GetEnvironmentVariable("CVMFSNIX_LIFE_MINUTES"), CultureInfo.InvariantCulture, out double minutes) ? minutes : 10);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whatever_is_served_is_whole_and_in_the_end_there_is_nothing_else()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: five servers and a database for ten minutes");
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        int seed = BuiltPrograms.Seed;
        using var scratch = new Scratch("life");
        await using LifeCluster cluster = await LifeCluster.StartAsync(Grace, Ct);
        var repository = new CollectedRepository(Repository, scratch);
        await repository.CreateAsync(cluster.Any(new Random(seed)), Ct);
        CollectedRepository[] builders = [repository, repository.With("b")];
        await repository.PublishAsync(cluster.Any(new Random(seed)), new Random(seed), pin: true, Ct);
        using var watcher = new ServedWatcher(cluster, Repository, repository.PublicKey, Grace);
        try
        {
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            enough.CancelAfter(Length);
            Task[] work =
            [
                .. builders.Select((b, i) => PublishAsync(cluster, b, new Random(seed + i), enough.Token)),
                OperateAsync(cluster, builders, new Random(seed + 10), enough.Token),
                DisturbAsync(cluster, new Random(seed + 20), enough.Token),
                watcher.RunAsync(enough.Token),
            ];
            Task first = await Task.WhenAny(work);
            if (first.IsFaulted)
                await enough.CancelAsync();
            await Task.WhenAll(work);

            await JudgeAsync(cluster, builders, watcher, new Random(seed + 30));
            await ForgottenIsNotMissedAsync(cluster, builders, watcher, new Random(seed + 40));
            output.WriteLine($"seed {seed}, {Length.TotalMinutes:0.#} min: {string.Join(", ", _done.Select(d => $"{d.Value} {d.Key}"))}\n{watcher.Counts}");
        }
        catch
        {
            output.WriteLine($"CVMFSNIX_TEST_SEED={seed}: {string.Join(", ", _done.Select(d => $"{d.Value} {d.Key}"))}\n{watcher.Counts}\n{cluster.Logs()}");
            throw;
        }
    }

    public void Dispose() => _publishing.Dispose();

    private async Task PublishAsync(LifeCluster cluster, CollectedRepository builder, Random random, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            string[] profile = random.Next(4) == 0 ? ["--profile", $"p{random.Next(3)}"] : [];
            bool pin = random.Next(25) == 0;
            await _publishing.WaitAsync(Ct);
            try
            {
                bool done = await builder.PublishAsync(cluster.Any(random), random, pin, Ct, profile);
                Count(done ? "publishes" : "publishes refused or unanswered");
                if (done && pin)
                    await Deadline.UntilAsync(async () => Pinned(await RevisionAsync(cluster, random)), "the revision of what is pinned is known", Ct);
            }
            finally
            {
                _publishing.Release();
            }
        }
    }

    private async Task OperateAsync(LifeCluster cluster, CollectedRepository[] builders, Random random, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            string tag = $"t{random.Next(Tags)}";
            if (random.Next(12) == 0)
            {
                await RollBackAsync(cluster, random);
                continue;
            }

            (string what, string[] arguments) = random.Next(12) switch
            {
                < 4 => ("removals asked for", (string[])["gc", "--repo", Repository]),
                < 7 => ("tags set", ["tag", "set", tag, "--repo", Repository]),
                7 => ("tags moved back", ["tag", "set", tag, "--repo", Repository, "--revision", $"{Math.Max(1, await RevisionAsync(cluster, random) - random.Next(1, 6))}"]),
                < 11 => ("tags removed", ["tag", "remove", tag, "--repo", Repository]),
                _ => ("withdrawals", Withdrawal(builders, random)),
            };
            CliResult result = await CliProcess.RunAsync(cluster.Any(random), [.. arguments, "--timeout", "20"], Ct);
            Count(result.ExitCode == 0 ? what : $"{what}: {Code(result)}");
            await Task.Delay(TimeSpan.FromSeconds(random.NextDouble()), CancellationToken.None);
        }
    }

    private async Task RollBackAsync(LifeCluster cluster, Random random)
    {
        for (int i = 0; i < Builders; i++)
            await _publishing.WaitAsync(Ct);
        try
        {
            int newest = await RevisionAsync(cluster, random), to = Math.Max(Volatile.Read(ref _pinnedAt), newest - random.Next(1, 5));
            if (to >= newest)
                return;
            CliResult result = await CliProcess.RunAsync(cluster.Any(random), ["repo", "rollback", Repository, "--to", $"{to}", "--yes", "--timeout", "20"], Ct);
            Count(result.ExitCode == 0 ? "rollbacks" : $"rollbacks: {Code(result)}");
        }
        finally
        {
            _publishing.Release(Builders);
        }
    }

    private bool Pinned(int revision)
    {
        lock (_gate)
            _pinnedAt = Math.Max(_pinnedAt, revision);
        return revision > 1;
    }

    // Nothing that is pinned may need it.
    private static string[] Withdrawal(CollectedRepository[] builders, Random random)
    {
        CollectedRepository builder = builders[random.Next(builders.Length)];
        PathInfo[] made = [.. builder.Made.ToArray()];
        HashSet<StorePathName> kept = [.. builder.Kept];
        PathInfo[] free = [.. made.Where(p => !kept.Contains(p.Path))];
        // One that is about to be pinned has none that need it yet; the newest are left alone.
        return free.Length < 10
            ? ["gc", "status", "--repo", Repository]
            : ["withdraw", StoreDirectory.Default.FullPath(free[random.Next(free.Length - 8)].Path), "--repo", Repository, "--reason", "campaign", "--tags"];
    }

    private async Task DisturbAsync(LifeCluster cluster, Random random, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromSeconds(1 + (4 * random.NextDouble())), CancellationToken.None);
            ClusterNode mirror = cluster.Mirrors[random.Next(cluster.Mirrors.Count)];
            switch (random.Next(6))
            {
                case 0 or 1:
                    ClusterNode node = cluster.Nodes.Nodes[random.Next(cluster.Nodes.Nodes.Count)];
                    await node.KillAsync();
                    await Task.Delay(TimeSpan.FromSeconds(3 * random.NextDouble()), CancellationToken.None);
                    await node.StartAsync(Ct);
                    await cluster.HealthyAsync(Ct);
                    Count("core nodes killed");
                    break;
                case 2:
                    await mirror.KillAsync();
                    await Task.Delay(TimeSpan.FromSeconds(6 * random.NextDouble()), CancellationToken.None);
                    await mirror.StartAsync(Ct);
                    Count("mirrors killed");
                    break;
                case 3 or 4:
                    mirror.Freeze();
                    await Task.Delay(TimeSpan.FromSeconds(3 + (12 * random.NextDouble())), CancellationToken.None);
                    mirror.Thaw();
                    Count("mirrors frozen");
                    break;
                default:
                    await CliProcess.RunAsync(cluster.Any(random), ["replica", "pause", LifeCluster.IdOf(mirror), "--repo", Repository, "--timeout", "20"], Ct);
                    await Task.Delay(TimeSpan.FromSeconds(3 + (12 * random.NextDouble())), CancellationToken.None);
                    await ResumeAsync(cluster, mirror, random);
                    Count("mirrors paused");
                    break;
            }
        }
    }

    private static Task ResumeAsync(LifeCluster cluster, ClusterNode mirror, Random random) => Deadline.UntilAsync(
        async () => (await CliProcess.RunAsync(cluster.Any(random), ["replica", "resume", LifeCluster.IdOf(mirror), "--repo", Repository, "--timeout", "20"], Ct)).ExitCode == 0,
        "a paused mirror goes on",
        Ct);

    // Everything is healed: what the rules do not keep goes, and after every grace nothing that nothing needs is left on any server.
    private async Task JudgeAsync(LifeCluster cluster, CollectedRepository[] builders, ServedWatcher watcher, Random random)
    {
        await cluster.HealthyAsync(Ct);
        NodeAddresses any = LifeCluster.AddressesOf(cluster.Nodes.Nodes[0]);
        for (int i = 0; i < Tags; i++)
            await CliProcess.RunAsync(any, ["tag", "remove", $"t{i}", "--repo", Repository], Ct);
        await builders[0].RemoveAsync(any, Ct);
        // The revision before the newest has a name, too.
        for (int i = 0; i < 2; i++)
            Assert.True(await builders[0].PublishAsync(any, random, pin: true, Ct));
        await SameEverywhereAsync(cluster, watcher);
        foreach ((string name, ClusterNode server) in cluster.Servers)
            await OnlyNeededAsync(cluster, builders, watcher, name, server);
        foreach (CollectedRepository builder in builders)
        {
            foreach (ClusterNode node in cluster.Nodes.Nodes)
                await builder.VerifyAsync(LifeCluster.AddressesOf(node), Ct);
        }

        foreach (ClusterNode mirror in cluster.Mirrors)
            await VerifiedAsync(builders[0], mirror);
    }

    private async Task OnlyNeededAsync(LifeCluster cluster, CollectedRepository[] builders, ServedWatcher watcher, string name, ClusterNode server)
    {
        bool core = cluster.Nodes.Nodes.Contains(server);
        string[] left = [];
        long start = Stopwatch.GetTimestamp();
        try
        {
            await Deadline.UntilAsync(
                async () =>
                {
                    IReadOnlySet<string> reached = await watcher.ReachedAsync(name, server);
                    left = [.. CollectedRepository.Objects(server.Data, Repository).Select(f => Path.GetRelativePath(watcher.FolderOf(server), f)).Where(f => !reached.Contains(f))];
                    if (!core)
                        return left.All(IsHot);
                    JsonElement status = await builders[0].StatusAsync(LifeCluster.AddressesOf(server), Ct);
                    Assert.True(status.GetProperty("collectionProblem").ValueKind == JsonValueKind.Null, $"{name}: {status}");
                    return left.All(IsHot) && status.GetProperty("waiting").GetArrayLength() == 0 && status.GetProperty("youngObjects").GetInt64() == 0
                        && status.GetProperty("liveObjects").GetInt64() == CollectedRepository.Objects(server.Data, Repository).Count;
                },
                $"{name} has only what is needed",
                Ct);
        }
        catch (TimeoutException e)
        {
            throw new InvalidOperationException($"{e.Message} {left.Length} objects more, as {string.Join(", ", left.Take(5))}; {(core ? await builders[0].StatusAsync(LifeCluster.AddressesOf(server), Ct) : "")}", e);
        }

        output.WriteLine($"{name}: only what is needed is left, {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s after it was looked for first; {left.Length} superseded catalogs beside it");
    }

    // Catalogs and tag databases of the revision before are kept by their names.
    private static bool IsHot(string file) => file[^1] is 'C' or 'H';

    private async Task ForgottenIsNotMissedAsync(LifeCluster cluster, CollectedRepository[] builders, ServedWatcher watcher, Random random)
    {
        string events = (await cluster.Postgres.QueryAsync("cvmfsnix", $"SELECT count(*) FILTER (WHERE manifest = 'rr'), count(*) FILTER (WHERE manifest = 'nf') FROM journal WHERE persistence_id = 'repository-{Repository}'", Ct)).Single();
        string Records(ClusterNode node) => $"{Directory.EnumerateFiles(Path.Combine(node.Data, "meta", Repository, "blobs"), "*", SearchOption.AllDirectories).Count()} record files, {Directory.EnumerateFiles(Path.Combine(node.Data, "meta", Repository, "applied"), "*.event").Count()} archived events";
        output.WriteLine($"journal: {events.Replace("|", " revisions, ", StringComparison.Ordinal)} times records were forgotten; {string.Join("; ", cluster.Servers.Select(s => $"{s.Name}: {Records(s.Node)}"))}");
        if (Length >= TimeSpan.FromMinutes(5))
            Assert.NotEqual("0", events.Split('|')[1]);

        // An index that is lost.
        ClusterNode indexless = cluster.Nodes.Nodes[1];
        string before = Paths(indexless);
        await indexless.KillAsync();
        foreach (string file in Directory.EnumerateFiles(Path.Combine(indexless.Data, "meta", Repository), "index.db*"))
            File.Delete(file);
        await indexless.StartAsync(Ct);
        await cluster.HealthyAsync(Ct);
        Assert.Equal(before, Paths(indexless));

        // A store that begins anew.
        ClusterNode empty = cluster.Nodes.Nodes[2];
        await empty.KillAsync();
        Directory.Delete(empty.Data, recursive: true);
        await empty.StartAsync(Ct);
        await cluster.HealthyAsync(Ct);
        Assert.True(await builders[0].PublishAsync(LifeCluster.AddressesOf(empty), random, pin: true, Ct));
        ClusterNode mirror = await cluster.AddMirrorAsync(Ct);
        await SameEverywhereAsync(cluster, watcher);
        Assert.Equal(Paths(cluster.Nodes.Nodes[0]), Paths(empty));
        await Deadline.UntilAsync(() => Task.FromResult(Paths(mirror) == Paths(empty)), "a new mirror knows the same paths", Ct);
        foreach ((string name, ClusterNode server) in cluster.Servers)
            await watcher.ReachedAsync(name, server);
        foreach (ClusterNode node in cluster.Nodes.Nodes)
            await builders[0].VerifyAsync(LifeCluster.AddressesOf(node), Ct);
        await VerifiedAsync(builders[0], mirror);
        output.WriteLine("a lost index, an empty store and a new mirror know what the others know");
    }

    private static Task SameEverywhereAsync(LifeCluster cluster, ServedWatcher watcher) => Deadline.UntilAsync(
        () => Task.FromResult(cluster.Servers.Select(s => watcher.NamedBy(s.Node)).Distinct().Count() == 1), "all servers serve one revision", Ct);

    private static async Task VerifiedAsync(CollectedRepository repository, ClusterNode mirror)
    {
        CliResult verified = await CliProcess.RunAsync(null, ["verify", $"{mirror.Http}/cvmfs/{Repository}", "--pubkey", repository.PublicKeyFile, "--deep"], Ct);
        Assert.True(verified.ExitCode == 0, verified.Output + verified.Errors);
    }

    // What a server knows of the paths, as one text.
    private static string Paths(ClusterNode server)
    {
        string file = Path.Combine(server.Data, "meta", Repository, "index.db");
        using var index = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        index.Open();
        using SqliteCommand command = index.CreateCommand();
        command.CommandText = "SELECT group_concat(name || ' ' || revision || ' ' || refs, char(10)) FROM (SELECT * FROM paths ORDER BY name)";
        return command.ExecuteScalar() as string ?? "";
    }

    private static async Task<int> RevisionAsync(LifeCluster cluster, Random random)
    {
        CliResult result = await CliProcess.RunAsync(cluster.Any(random), ["repo", "show", Repository, "--timeout", "20"], Ct);
        return result.ExitCode == 0 ? result.Document.GetProperty("revision").GetInt32() : 1;
    }

    private static string Code(CliResult result) =>
        result.Output.Length > 0 && result.Lines[^1].TryGetProperty("error", out JsonElement error) ? error.GetProperty("code").GetString() ?? "" : $"exit code {result.ExitCode}";

    private void Count(string what)
    {
        lock (_gate)
            _done[what] = _done.GetValueOrDefault(what) + 1;
    }
}
