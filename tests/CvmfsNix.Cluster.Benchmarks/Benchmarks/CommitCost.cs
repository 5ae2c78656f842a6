using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>What a small publish costs as the store directory fills: time, processors and bytes, one publish at a time on one node.</summary>
internal sealed class CommitCost : Benchmark
{
    private const string Repository = "commit.example.org";
    private const int PathsAtOnce = 500;
    private const int Files = 10;
    private const int WarmUp = 50;

    // The paths that are there have files in common, as those of one closure have: what counts here is their rows and catalogs.
    private static readonly SyntheticTree Present = SyntheticTree.Directory(
        ("bin", SyntheticTree.Directory(("run", SyntheticTree.Symlink("../share/file0")))),
        ("share", SyntheticTree.Directory(Enumerable.Range(0, Files).ToDictionary(i => LoadReport.Text($"file{i}"), i => SyntheticTree.File(LoadReport.Text($"present {i}"))))));

    public override string Name => "commit-cost";

    public override string Description => "latency, processor time and bytes of a publish of 10 files with 1,000 to 300,000 store paths present, on one node with SQLite; about 20 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["paths"] = "store paths present, of ten files and a catalog each (1000,10000,100000,300000)",
        ["commits"] = "publishes measured at each (200)",
        ["pause"] = "milliseconds between them (20)",
        ["catalog-rate"] = "MiB of catalogs a second that revisions are paced to; 0 = as fast as they come (0)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        int commits = options.Number("commits", 200);
        var pause = TimeSpan.FromMilliseconds(options.Number("pause", 20));
        int rate = options.Number("catalog-rate", 0);
        await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync(["--catalog-rate", rate == 0 ? "0" : LoadReport.Text($"{rate}M")], cancellationToken);
        (await node.CliAsync(["repo", "create", Repository], null, cancellationToken)).Succeeded();
        using var pool = new BuilderPool(node.Grpc);
        LoadBuilder maker = pool.Builder("makes"), builder = pool.Builder("measured");
        (int present, int published) = (0, 0);
        double? first = null;
        foreach (int wanted in options.Numbers("paths", 1_000, 10_000, 100_000, 300_000))
        {
            long making = Stopwatch.GetTimestamp();
            for (; present < wanted; present += PathsAtOnce)
            {
                await maker.PublishAsync(
                    new LoadPublish(Repository, [.. Enumerable.Range(present, Math.Min(PathsAtOnce, wanted - present)).Select(i => SyntheticPath.Of(LoadReport.Text($"present-{i}"), Present))]),
                    cancellationToken);
            }

            double made = Stopwatch.GetElapsedTime(making).TotalSeconds;
            await PublishAsync(WarmUp);
            double processor = Processor(node);
            long written = MachineLoad.Transferred(node.Id).Written, objects = ObjectBytes(node);
            List<LoadAnswer> answers = await PublishAsync(commits);
            double[] times = [.. answers.Select(a => a.Milliseconds)];
            double p50 = LoadReport.Percentile(times, 50);
            first ??= p50;
            Console.WriteLine(LoadReport.Text(
                $"{wanted} paths (added in {made:0} s): p50 {p50:0.0} ms ({p50 / first.Value:0.00} times the first), p99 {LoadReport.Percentile(times, 99):0.0} ms, {(Processor(node) - processor) * 1000 / commits:0.0} ms of processors a publish; stored {(ObjectBytes(node) - objects) / 1024.0 / commits:0} KiB, written {(MachineLoad.Transferred(node.Id).Written - written) / 1024.0 / commits:0} KiB a publish; a client fetches {StoreCatalogBytes(node) / 1024.0:0} KiB for an update; peak memory {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}"));
        }

        ProgramRun verified = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", node.RepositoryFolder(Repository), "--pubkey", Path.Combine(node.KeyFolder, Repository + ".pub")], null, cancellationToken);
        Console.WriteLine(verified.ExitCode == 0 ? "verify: no findings" : verified.Output + verified.Errors);
        return verified.ExitCode == 0;

        async Task<List<LoadAnswer>> PublishAsync(int count)
        {
            var answers = new List<LoadAnswer>(count);
            for (int i = 0; i < count; i++, published++)
            {
                var publish = new LoadPublish(Repository, [SyntheticPath.Package(LoadReport.Text($"measured-{published}"), Files)]);
                answers.Add(await builder.PublishAsync(publish, cancellationToken));
                await Task.Delay(pause, cancellationToken);
            }

            return answers;
        }
    }

    private static double Processor(EmbeddedNode node) => MachineLoad.Seconds([("node", node.Id)])["node"];

    private static IEnumerable<FileInfo> Objects(EmbeddedNode node) => new DirectoryInfo(node.RepositoryFolder(Repository)).EnumerateFiles("*", SearchOption.AllDirectories);

    private static long ObjectBytes(EmbeddedNode node) => Objects(node).Sum(static f => f.Length);

    // The catalog of the store directory is the largest there is, and its newest version the largest of its versions.
    private static long StoreCatalogBytes(EmbeddedNode node) => Objects(node).Where(static f => f.Name.EndsWith('C')).Max(static f => f.Length);
}
