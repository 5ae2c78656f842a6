using CvmfsNix.Cluster.FaultTests.Processes;
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
        ["file data/meta/power.example.org/applied/*.event"] = Witness,
        ["folder data/meta/power.example.org/applied"] = Witness,
        ["file data/journal.db-journal"] = "SQLite syncs its rollback journal while it makes the empty database, before anything is acknowledged",
        ["file data/cvmfs/power.example.org/.cvmfs_master_replica"] = "its presence counts, not its text",
    };

    private const int TriesMax = 40;

    // A node that lost what it needs may wait for it for ever; here that is the expected outcome, so it gets less time.
    private static readonly TimeSpan ExpectedToFail = TimeSpan.FromSeconds(30);

    private const string Projection = "the index is made again from the journal and the record files";
    private const string Witness = "the archive is there for a journal that was lost or restored; with a journal nothing is read from it that is needed";

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
        output.WriteLine($"seed {seed}, {run.Log.Operations.Count} operations, {run.Cuts.Count} instants");
        var problems = new List<string>();
        foreach (Cut cut in Chosen(run.Cuts, seed))
        {
            DiskModel disk = new DiskModel(run.Root).ReplayTo(run.Log, run.Log.CountAt(cut.LogLength));
            await CheckAsync("nothing that is pending", KeepsNothing);
            for (int variant = 0; variant < (BuiltPrograms.FullSize ? 3 : 1); variant++)
                await CheckAsync($"pending chosen by {seed + variant}", KeepsSome(seed + variant));

            async Task CheckAsync(string kept, Func<int, int, bool> keeps)
            {
                string? problem = await ImageCheck.ProblemAsync(run, disk, cut, keeps, Deadline.Start, cancellationToken);
                output.WriteLine($"{cut.Label}, {cut.Publishes} publishes, kept {kept}: {problem ?? "complete"}");
                if (problem is not null)
                    problems.Add($"{cut.Label}, kept {kept}: {problem}");
            }
        }

        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact]
    public async Task Leaving_out_any_one_fsync_loses_something()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        RecordedRun run = await recording.GetAsync(cancellationToken);
        Dictionary<int, string> classes = new DiskModel(run.Root).ReplayTo(run.Log, run.Log.Operations.Count).Syncs
            .ToDictionary(s => s.Key, s => SyncClass.Of(s.Value));
        var failures = new List<string>();
        foreach (var group in classes.GroupBy(c => c.Value, c => c.Key).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            if (Dispensable.TryGetValue(group.Key, out string? reason))
            {
                output.WriteLine($"{group.Count(),4}  {group.Key}: may be missing, {reason}");
                continue;
            }

            string? red = await FirstRedAsync(run, n => classes[n] == group.Key, cancellationToken);
            output.WriteLine($"{group.Count(),4}  {group.Key}: {red ?? "NOTHING IS LOST WITHOUT IT"}");
            if (red is null)
                failures.Add($"{group.Key} ({group.Count()} times) can be left out and no test notices.");
        }

        failures.AddRange(Dispensable.Keys.Except(classes.Values).Select(k => $"{k} is listed as dispensable and does not occur."));
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    /// <summary>The first instant whose disk is no longer complete, and why.</summary>
    private static async Task<string?> FirstRedAsync(RecordedRun run, Func<int, bool> leftOut, CancellationToken cancellationToken)
    {
        var tried = new HashSet<string>();
        foreach ((int count, Cut cut) in Instants(run))
        {
            DiskModel with = new DiskModel(run.Root).ReplayTo(run.Log, count);
            DiskModel without = new DiskModel(run.Root, leftOut).ReplayTo(run.Log, count);
            string digest = without.ImageDigest(KeepsNothing);
            // The same disk as with the fsync cannot show its absence.
            if (digest == with.ImageDigest(KeepsNothing) || !tried.Add($"{digest} {cut.Publishes}"))
                continue;
            if (tried.Count > TriesMax)
                break;
            if (await ImageCheck.ProblemAsync(run, without, cut, KeepsNothing, ExpectedToFail, cancellationToken) is { } problem)
                return $"{cut.Label}: {problem.Split('\n')[0]}";
        }

        return null;
    }

    /// <summary>
    /// First announced instants, from the end: what the late ones need includes what the early ones need. Then those after each
    /// rename, removal and fsync of the creation and of the last publish, where an order that is not kept shows; the announced
    /// instant before them says what must be there.
    /// </summary>
    private static IEnumerable<(int Count, Cut Cut)> Instants(RecordedRun run)
    {
        int lastPublish = run.Cuts.Index().Last(c => c.Item.Publishes < run.Publishes.Count && !IsStep(c.Item)).Index;
        int created = run.Cuts.Index().First(c => c.Item.Created).Index;
        foreach ((int index, Cut cut) in run.Cuts.Index().Reverse())
        {
            if (index >= lastPublish || !IsStep(cut))
                yield return (run.Log.CountAt(cut.LogLength), cut);
        }

        foreach ((int index, Cut cut) in run.Cuts.Index().Where(c => c.Index < created || c.Index >= lastPublish))
        {
            int next = index + 1 < run.Cuts.Count ? run.Log.CountAt(run.Cuts[index + 1].LogLength) : run.Log.Operations.Count;
            for (int i = run.Log.CountAt(cut.LogLength); i < next; i++)
            {
                if (run.Log.Operations[i].Kind is OperationKind.Rename or OperationKind.Unlink or OperationKind.RemoveDirectory or OperationKind.Sync)
                    yield return (i + 1, cut with { Label = $"operation {i} after {cut.Label}" });
            }
        }
    }

    /// <summary>Full size: all. Else the instants after an answer, and of each step one, chosen by the seed.</summary>
    private static IEnumerable<Cut> Chosen(IReadOnlyList<Cut> cuts, int seed)
    {
        if (BuiltPrograms.FullSize)
            return cuts;
        var random = new Random(seed);
        Cut[] steps = [.. cuts.Where(c => IsStep(c)).GroupBy(c => c.Label.Split(' ')[0]).Select(g => random.GetItems(g.ToArray(), 1)[0])];
        return cuts.Where(c => !IsStep(c) || steps.Contains(c));
    }

    private static bool IsStep(Cut cut) => cut.Label.Contains('.', StringComparison.Ordinal);

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
