using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Steps;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>
/// The disk after a power cut, rebuilt from a recording: no write, name or rename that was not yet fsynced has to be there.
/// Whatever was acknowledged must be, and complete. And each fsync must be needed for that.
/// </summary>
public sealed class PowerLossTests(PowerLossTests.Recording recording, ITestOutputHelper output) : IClassFixture<PowerLossTests.Recording>
{
    /// <summary>Fsyncs that may be missing without harm, each with the reason why it is there all the same.</summary>
    private static readonly Dictionary<string, string> Dispensable = new()
    {
        ["file data/meta/power.example.org/index.db"] = Projection,
        ["file data/meta/power.example.org/index.db-journal"] = Projection,
        ["file data/meta/power.example.org/index.db-wal"] = Projection,
        ["file data/journal.db-journal"] = "SQLite syncs its rollback journal while it makes the empty database, before anything is acknowledged",
        ["file data/cvmfs/power.example.org/.cvmfs_master_replica"] = "its presence counts, not its text",
    };

    private const string Projection = "the index is made again from the journal and the record files";

    /// <summary>Steps of a publish at which a node is started even in a small run, with half of the pending changes kept.</summary>
    private static readonly string[] NodeSteps = [StepNames.SealAfter, StepNames.AppendAfter, StepNames.NamedTemporary];

    [Fact]
    public async Task The_recording_explains_every_byte_on_the_disk()
    {
        RecordedRun run = await recording.GetAsync(TestContext.Current.CancellationToken);
        DiskModel disk = new DiskModel(run.Root).ReplayTo(run.Log, run.Log.Operations.Count);
        string image = run.Scratch["explained"];
        disk.WriteImage(image, KeepsAll);
        Assert.Equal(Contents(run.Root), Contents(image));
    }

    [Fact]
    public async Task What_was_acknowledged_survives_a_power_cut_at_every_step()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        RecordedRun run = await recording.GetAsync(cancellationToken);
        int seed = BuiltPrograms.Seed;
        var problems = new List<string>();
        var seen = new HashSet<string>();
        var disk = new DiskModel(run.Root);
        int judged = 0;
        foreach ((int count, Cut cut, bool announced) in Instants(run))
        {
            disk.ReplayTo(run.Log, count);
            await JudgeAsync("nothing that is pending", KeepsNothing);
            for (int variant = 0; variant < (BuiltPrograms.FullSize ? 3 : announced ? 1 : 0); variant++)
                await JudgeAsync($"pending chosen by {seed + variant}", KeepsSome(seed + variant));

            async Task JudgeAsync(string kept, Func<int, int, bool> keeps)
            {
                // The same disk and the same promises need no second look.
                if (!seen.Add($"{disk.ImageDigest(keeps)} {cut.Promises}"))
                    return;
                judged++;
                if (await ImageCheck.JudgeAsync(run, disk, cut, keeps, cancellationToken) is { } problem)
                    problems.Add($"{cut.Label}, kept {kept}: {problem}");
            }
        }

        output.WriteLine($"seed {seed}, {run.Log.Operations.Count} operations, {run.Cuts.Count} announced instants, {judged} disks judged");
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact]
    public async Task A_node_goes_on_from_the_disk_that_a_power_cut_left()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        RecordedRun run = await recording.GetAsync(cancellationToken);
        int seed = BuiltPrograms.Seed;
        var problems = new List<string>();
        foreach ((Cut cut, bool pending) in NodeSample(run, seed))
        {
            DiskModel disk = new DiskModel(run.Root).ReplayTo(run.Log, run.Log.CountAt(cut.LogLength));
            string? problem = await ImageCheck.StartNodeAsync(run, disk, cut, pending ? KeepsSome(seed) : KeepsNothing, cancellationToken);
            output.WriteLine($"{cut.Label}, {cut.Publishes} publishes, kept {(pending ? $"pending chosen by {seed}" : "nothing that is pending")}: {problem ?? "complete"}");
            if (problem is not null)
                problems.Add($"{cut.Label}: {problem}");
        }

        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact(Skip = "at full size only: every run judges the disks after a power cut at every step, and this shows that the judge notices", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public async Task Leaving_out_any_one_fsync_loses_something()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        RecordedRun run = await recording.GetAsync(cancellationToken);
        Dictionary<int, string> classes = SyncClasses(run);
        Dictionary<int, string> complete = CompleteDisks(run);
        var failures = new List<string>();
        foreach (var group in classes.GroupBy(c => c.Value, c => c.Key).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            string? reason = Dispensable.GetValueOrDefault(group.Key);
            bool answersOnly = reason is not null && !BuiltPrograms.FullSize;
            string? red = await FirstRedAsync(run, n => classes[n] == group.Key, complete, answersOnly, cancellationToken);
            output.WriteLine($"{group.Count(),4}  {group.Key}: {red ?? (reason is null ? "NOTHING IS LOST WITHOUT IT" : $"may be missing, {reason}")}");
            if (red is null && reason is null)
                failures.Add($"{group.Key} ({group.Count()} times) can be left out and no test notices.");
            if (red is not null && reason is not null)
                failures.Add($"{group.Key} is listed as dispensable and is needed: {red}");
        }

        failures.AddRange(Dispensable.Keys.Except(classes.Values).Select(k => $"{k} is listed as dispensable and does not occur."));
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public async Task A_node_goes_on_without_all_that_is_called_dispensable()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        RecordedRun run = await recording.GetAsync(cancellationToken);
        Dictionary<int, string> classes = SyncClasses(run);
        var disk = new DiskModel(run.Root, n => Dispensable.ContainsKey(classes[n])).ReplayTo(run.Log, run.Log.Operations.Count);
        Assert.Null(await ImageCheck.StartNodeAsync(run, disk, run.Cuts[^1], KeepsNothing, cancellationToken));
    }

    [Fact]
    public async Task Folders_that_a_killed_process_made_and_never_synced_are_made_durable_by_the_next_start()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        using var scratch = new Scratch("power");
        string root = Directory.CreateDirectory(scratch["disk"]).FullName;
        string above = Path.Combine(root, "made", "below");
        Recorder recorder = await Recorder.CompileAsync(scratch.Folder, root, cancellationToken);
        await recorder.RunAsync("mkdir", [Path.GetDirectoryName(above)!, above], cancellationToken);
        var settings = new NodeSettings(Path.Combine(above, "data")) { Environment = recorder.Environment };
        await using (NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken))
            await node.KillAsync();

        var log = new OperationLog(await File.ReadAllBytesAsync(recorder.Log, cancellationToken));
        new DiskModel(root).ReplayTo(log, log.Operations.Count).WriteImage(scratch["image"], KeepsNothing);
        Assert.True(File.Exists(Path.Combine(scratch["image"], "made", "below", "data", RecordedRun.JournalFile)));
    }

    private static Dictionary<int, string> SyncClasses(RecordedRun run) =>
        new DiskModel(run.Root).ReplayTo(run.Log, run.Log.Operations.Count).Syncs.ToDictionary(s => s.Key, s => SyncClass.Of(s.Value));

    /// <summary>An instant whose disk is no longer complete, and why; null when there is none.</summary>
    /// <param name="run">The recording.</param>
    /// <param name="leftOut">True for the numbers of the fsyncs to leave out.</param>
    /// <param name="complete">For each instant the digest of the disk with all fsyncs.</param>
    /// <param name="answersOnly">Whether only the instants after an answer are looked at.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    private static async Task<string?> FirstRedAsync(
        RecordedRun run, Func<int, bool> leftOut, Dictionary<int, string> complete, bool answersOnly, CancellationToken cancellationToken)
    {
        // Most of what an early instant needs the last one needs too.
        Cut last = run.Cuts[^1];
        int end = run.Log.CountAt(last.LogLength);
        if (await ProblemAsync(end, last, new DiskModel(run.Root, leftOut).ReplayTo(run.Log, end)) is { } late)
            return late;

        var tried = new HashSet<string>();
        var disk = new DiskModel(run.Root, leftOut);
        foreach ((int count, Cut cut, bool announced) in Instants(run))
        {
            if (answersOnly && (!announced || cut.IsStep))
                continue;
            disk.ReplayTo(run.Log, count);
            if (tried.Add($"{disk.BoundDigest()} {cut.Promises}") && await ProblemAsync(count, cut, disk) is { } problem)
                return problem;
        }

        return null;

        async Task<string?> ProblemAsync(int count, Cut cut, DiskModel without)
        {
            // The same disk as with the fsync cannot show its absence.
            if (without.BoundDigest() == complete[count])
                return null;
            string? problem = await ImageCheck.JudgeAsync(run, without, cut, KeepsNothing, cancellationToken);
            return problem is null ? null : $"{cut.Label}: {problem.Split('\n')[0]}";
        }
    }

    private static Dictionary<int, string> CompleteDisks(RecordedRun run)
    {
        var disk = new DiskModel(run.Root);
        var digests = new Dictionary<int, string>();
        foreach ((int count, _, _) in Instants(run))
            digests[count] = disk.ReplayTo(run.Log, count).BoundDigest();
        return digests;
    }

    /// <summary>
    /// In the order of time, the announced instants, and those after each rename, removal and fsync, where an order that is not kept
    /// shows; the announced instant before them says what must be there.
    /// </summary>
    private static IEnumerable<(int Count, Cut Cut, bool Announced)> Instants(RecordedRun run)
    {
        foreach ((int index, Cut cut) in run.Cuts.Index())
        {
            int first = run.Log.CountAt(cut.LogLength);
            int next = index + 1 < run.Cuts.Count ? run.Log.CountAt(run.Cuts[index + 1].LogLength) : run.Log.Operations.Count;
            yield return (first, cut, true);
            for (int i = first; i < next; i++)
            {
                if (run.Log.Operations[i].Kind is OperationKind.Rename or OperationKind.Unlink or OperationKind.RemoveDirectory or OperationKind.Sync)
                    yield return (i + 1, cut with { Label = $"operation {i} after {cut.Label}" }, false);
            }
        }
    }

    /// <summary>Full size: every announced instant, twice. Else one after the creation, and some steps chosen by the seed.</summary>
    private static IEnumerable<(Cut Cut, bool Pending)> NodeSample(RecordedRun run, int seed)
    {
        if (BuiltPrograms.FullSize)
            return run.Cuts.SelectMany(c => (IEnumerable<(Cut, bool)>)[(c, false), (c, true)]);
        var random = new Random(seed);
        return
        [
            (run.Cuts.First(c => c.Created), false),
            .. NodeSteps.Select(s => (random.GetItems(run.Cuts.Where(c => c.Created && c.Label.StartsWith(s, StringComparison.Ordinal)).ToArray(), 1)[0], true)),
        ];
    }

    private static bool KeepsNothing(int operation, int sector) => false;

    private static bool KeepsAll(int operation, int sector) => true;

    private static Func<int, int, bool> KeepsSome(int seed) =>
        (operation, sector) => new Random(HashCodeOf(seed, operation, sector)).Next(2) == 0;

    // HashCode differs from process to process; a seed must not.
    private static int HashCodeOf(int seed, int operation, int sector) => unchecked((((seed * 397) ^ operation) * 397) ^ sector);

    private static SortedDictionary<string, string> Contents(string folder)
    {
        var contents = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (FileSystemInfo entry in new DirectoryInfo(folder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(folder, entry.FullName);
            if (DiskModel.IsNoDurableState(name))
                continue;
            contents[name] = entry is DirectoryInfo
                ? "folder"
                : Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(entry.FullName)));
        }

        return contents;
    }

    /// <summary>The recording, made by the first test that wants it.</summary>
    public sealed class Recording : IDisposable
    {
        private RecordedRun? _run;

        internal async Task<RecordedRun> GetAsync(CancellationToken cancellationToken) =>
            _run ??= await RecordedRun.MakeAsync(cancellationToken);

        public void Dispose() => _run?.Dispose();
    }
}
