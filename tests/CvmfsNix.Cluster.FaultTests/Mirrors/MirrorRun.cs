using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Nemesis;
using CvmfsNix.Cluster.FaultTests.Nemesis.Load;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>A repository under load and watched on all mirrors, something that happens to it, and the judgement at the end.</summary>
internal sealed class MirrorRun : IAsyncDisposable
{
    private readonly Scratch _scratch = new("mirrors");
    private readonly HistoryLog _history = new();
    private readonly string _publicKey;
    private int _large;

    private MirrorRun(MirrorSites sites, string fqrn, string publicKey)
    {
        (Sites, Fqrn, _publicKey) = (sites, fqrn, publicKey);
        Load = new ClusterWorkload(fqrn, sites.Nodes, _scratch["stores"], BuiltPrograms.Seed, _history, Transcript);
        Watcher = new MirrorWatcher(sites.All, fqrn, publicKey, _history, BuiltPrograms.Seed);
    }

    public MirrorSites Sites { get; }

    public string Fqrn { get; }

    public Transcript Transcript { get; } = new();

    public ClusterWorkload Load { get; }

    public MirrorWatcher Watcher { get; }

    /// <summary>Sites, a repository on all mirrors, builders if wanted and watchers; then what is to happen; then the judgement. Prints all of it.</summary>
    public static async Task RunAsync(
        MirrorSites sites, string name, bool builders, ITestOutputHelper output, Func<MirrorRun, Task> happens, CancellationToken cancellationToken)
    {
        await sites.ReadyAsync(cancellationToken);
        string fqrn = $"{name}.mirrors.example.org";
        string key = (await sites.Nodes.CliAsync(["repo", "create", fqrn, "--json"], cancellationToken)).Json.GetProperty("publicKey").GetString()!;
        await using var run = new MirrorRun(sites, fqrn, key);
        try
        {
            await run.EverywhereAsync(1, "all", cancellationToken);
            if (builders)
            {
                run.Load.Start();
                await run.Load.ProgressAsync(TimeProvider.System.GetTimestamp(), cancellationToken);
            }

            await happens(run);
            await run.JudgeAsync(cancellationToken);
            output.WriteLine($"seed {BuiltPrograms.Seed}\n{run.Transcript}\n{run.Counts()}");
            sites.IsClean = true;
        }
        catch
        {
            output.WriteLine($"CVMFSNIX_TEST_SEED={BuiltPrograms.Seed}. What happened:\n{run.Transcript}\n{run.Counts()}\n{sites.Logs()}");
            throw;
        }
    }

    /// <summary>Publishes a path of files that do not shrink by the command line, and waits for nobody but the committer.</summary>
    /// <returns>The revision.</returns>
    public async Task<ulong> PublishLargeAsync(int files, int fileBytes, CancellationToken cancellationToken) =>
        (await PublishAsync(await LargeAsync(files, fileBytes, cancellationToken), [], cancellationToken)).Json.GetProperty("revision").GetUInt64();

    /// <summary>A path to be published, in a store of its own.</summary>
    public async Task<SyntheticStore> LargeAsync(int files, int fileBytes, CancellationToken cancellationToken)
    {
        int number = Interlocked.Increment(ref _large);
        var store = new SyntheticStore(_scratch[$"large-{number}"]);
        _ = await store.AddNoiseAsync($"{Fqrn} {number}", files, fileBytes, cancellationToken);
        store.Register();
        return store;
    }

    /// <summary>Publishes all of a store in one process.</summary>
    /// <returns>What the program left behind, whatever its exit code; entered into the history when it says committed.</returns>
    public async Task<ProgramRun> PublishAsync(SyntheticStore store, IReadOnlyList<string> switches, CancellationToken cancellationToken)
    {
        ProgramRun run = await Sites.Nodes.CliAsync(
            ["publish", "--repo", Fqrn, .. store.Paths.Select(p => SyntheticStore.FullPath(p.Path)), .. store.Arguments, .. switches, "--json"], cancellationToken);
        if (run.ExitCode == 0)
        {
            JsonElement answer = run.Json;
            _history.Acknowledge(
                new Acknowledgement(
                    answer.GetProperty("transaction").GetString()!,
                    answer.GetProperty("status").GetString()!,
                    answer.GetProperty("revision").GetUInt64(),
                    answer.GetProperty("rootHash").GetString()!),
                store.Closure(store.Paths.Select(p => p.Path)));
        }

        return run;
    }

    /// <summary>Publishes small paths, each in a revision of its own.</summary>
    public async Task PublishOneByOneAsync(int count, CancellationToken cancellationToken)
    {
        int number = Interlocked.Increment(ref _large);
        var store = new SyntheticStore(_scratch[$"small-{number}"]);
        for (int i = 0; i < count; i++)
            _ = await store.AddNoiseAsync($"{Fqrn} {number} {i}", 1, 500, cancellationToken);
        store.Register();
        await PublishEachAsync(store, [.. store.Paths.Select(p => (IReadOnlyList<PathInfo>)[p])], cancellationToken);
    }

    /// <summary>Publishes groups of a store's paths, one after the other in one process.</summary>
    public async Task PublishEachAsync(SyntheticStore store, IReadOnlyList<IReadOnlyList<PathInfo>> groups, CancellationToken cancellationToken)
    {
        var planned = groups.ToDictionary(_ => Guid.CreateVersion7().ToString(), g => g);
        await using var session = new PublishSession(Sites.Nodes.Servers, store.Arguments, 1, answer => _history.Acknowledge(
            new Acknowledgement(
                answer.GetProperty("transaction").GetString()!,
                answer.GetProperty("status").GetString()!,
                answer.GetProperty("revision").GetUInt64(),
                answer.GetProperty("rootHash").GetString()!),
            planned[answer.GetProperty("transaction").GetString()!]));
        foreach ((string transaction, IReadOnlyList<PathInfo> paths) in planned)
        {
            await session.HandInAsync(
                JsonSerializer.Serialize(new { transaction, repository = Fqrn, paths = paths.Select(p => SyntheticStore.FullPath(p.Path)), closure = false }),
                cancellationToken);
        }

        (int exitCode, string errors) = await session.EndAsync(cancellationToken);
        Assert.True(exitCode == 0, errors);
    }

    /// <summary>What <c>replica show</c> says of a mirror in this repository.</summary>
    public async Task<JsonElement> ShowAsync(ClusterNode mirror, CancellationToken cancellationToken) =>
        (await Sites.Nodes.CliAsync(["replica", "show", MirrorSites.IdOf(mirror), "--repo", Fqrn, "--json"], cancellationToken)).Json.EnumerateArray().Single();

    /// <summary>Waits until <c>replica show</c> says something of a mirror; notes what it says then.</summary>
    public async Task ShowsAsync(ClusterNode mirror, Func<JsonElement, bool> says, string what, CancellationToken cancellationToken)
    {
        string last = "";
        try
        {
            await Sites.Nodes.UntilAsync(
                async () =>
                {
                    JsonElement shown = await ShowAsync(mirror, cancellationToken);
                    last = shown.GetRawText();
                    Watcher.Check();
                    return says(shown);
                },
                $"replica show {MirrorSites.IdOf(mirror)}: {what}",
                cancellationToken);
        }
        finally
        {
            Transcript.Add($"replica show {MirrorSites.IdOf(mirror)}: {last}");
        }
    }

    /// <summary>Waits by the command line until a revision is on replicas, and on their data ports.</summary>
    public async Task EverywhereAsync(ulong revision, string replicas, CancellationToken cancellationToken)
    {
        // A repository that was just made has no replicas until the mirrors have heard of it.
        await Sites.Nodes.UntilAsync(
            async () => (await Sites.Nodes.CliAsync(["replica", "list", "--repo", Fqrn, "--json"], cancellationToken)).Json.GetArrayLength() == Sites.All.Count,
            "all mirrors are registered",
            cancellationToken);
        ProgramRun run = await Sites.Nodes.CliAsync(
            ["wait", "--repo", Fqrn, "--revision", revision.ToString(CultureInfo.InvariantCulture), "--for", replicas, "--timeout", "120", "--json"], cancellationToken);
        Assert.True(run.ExitCode == 0, $"{run.Output}{run.Errors}");
    }

    /// <summary>The revision the core serves.</summary>
    public async Task<ulong> HeadAsync(CancellationToken cancellationToken)
    {
        ClusterNode core = Sites.Nodes.Nodes.First(n => n.IsRunning);
        return (await new RepositoryChecker(Fqrn, _publicKey, _history).HeadAsync(core.Http, cancellationToken)).Revision;
    }

    /// <summary>The revision in a mirror's folder; 0 = none.</summary>
    public ulong ServedBy(ClusterNode mirror)
    {
        string file = Path.Combine(FolderOf(mirror), ".cvmfspublished");
        string? line = File.Exists(file) ? File.ReadLines(file, System.Text.Encoding.Latin1).FirstOrDefault(l => l.StartsWith('S')) : null;
        return line is null ? 0 : ulong.Parse(line.AsSpan(1), CultureInfo.InvariantCulture);
    }

    /// <summary>A node's folder of the repository.</summary>
    public string FolderOf(ClusterNode node) => Path.Combine(node.Data, "cvmfs", Fqrn);

    /// <summary>A store of very many small paths, all of one content, so that it is the catalogs that are large.</summary>
    public async Task<SyntheticStore> ManyAsync(int paths, CancellationToken cancellationToken)
    {
        var store = new SyntheticStore(_scratch["many"]);
        for (int i = 0; i < paths; i++)
            _ = await store.AddTinyAsync($"{Fqrn} {i}", cancellationToken);
        store.Register();
        return store;
    }

    /// <summary>The largest catalog of a node, packed.</summary>
    public (string Name, long Bytes) LargestCatalog(ClusterNode node)
    {
        FileInfo largest = new DirectoryInfo(Path.Combine(FolderOf(node), "data")).EnumerateFiles("*C", SearchOption.AllDirectories).MaxBy(f => f.Length)!;
        return (largest.Directory!.Name + largest.Name, largest.Length);
    }

    /// <summary>Objects of a node and their bytes.</summary>
    public (int Count, long Bytes) ObjectsOf(ClusterNode node)
    {
        FileInfo[] files = [.. new DirectoryInfo(Path.Combine(FolderOf(node), "data")).EnumerateFiles("*", SearchOption.AllDirectories).Where(f => f.Directory!.Name.Length == 2)];
        return (files.Length, files.Sum(f => f.Length));
    }

    public async ValueTask DisposeAsync()
    {
        await Watcher.DisposeAsync();
        await Load.DisposeAsync();
        _scratch.Dispose();
    }

    private async Task JudgeAsync(CancellationToken cancellationToken)
    {
        await Load.FinishAsync(cancellationToken);
        var checker = new RepositoryChecker(Fqrn, _publicKey, _history);
        ulong head = await HeadAsync(cancellationToken);
        Assert.True(head >= _history.HighestRevision, $"the core serves {head}, {_history.HighestRevision} was told of");
        Transcript.Add($"everything is acknowledged, head is revision {head}");
        await EverywhereAsync(head, "all", cancellationToken);
        Transcript.Add("all replicas have it");
        if (!Watcher.HasEnded)
        {
            // Each mirror is read at its last revision too, before the watcher goes.
            await Sites.Nodes.UntilAsync(
                () =>
                {
                    Watcher.Check();
                    return Task.FromResult(Sites.All.All(m => Watcher.NewestOf(m) == head));
                },
                "the watcher has read the last revision from each mirror",
                cancellationToken);
            await Watcher.EndAsync();
        }

        string keyFile = _scratch["key.pub"];
        await File.WriteAllTextAsync(keyFile, _publicKey, cancellationToken);
        // In the short run of continuous integration one of each site.
        foreach (ClusterNode mirror in BuiltPrograms.FullSize ? Sites.All : [Sites.Of(MirrorSites.Near)[0], Sites.Of(MirrorSites.Far)[^1]])
        {
            string id = MirrorSites.IdOf(mirror);
            ProgramRun verified = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", FolderOf(mirror), "--pubkey", keyFile, "--deep", "--json"], null, cancellationToken);
            Assert.True(verified.ExitCode == 0, $"{id}: {verified.Output}{verified.Errors}");
            Assert.Equal(head, verified.Json.GetProperty("revision").GetUInt64());
            if (BuiltPrograms.FullSize)
                Assert.Equal(head, await checker.CheckEverythingAsync(mirror.Http, cancellationToken));
            Transcript.Add($"{id}: revision {head} verified, {verified.Json.GetProperty("objects")} objects; {Watcher.RevisionsOf(mirror)} revisions seen");
        }
    }

    private string Counts() => $"{Load.Acknowledged} publishes acknowledged by builders, {_history.Paths.Count} paths; {Watcher}{string.Concat(Load.Errors.Select(e => $"\n{e.Value,6}  {e.Key}"))}";
}
