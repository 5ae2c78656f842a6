using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>What is left on the disk after many small revisions, one after the other, of which nearly all are removed again.</summary>
internal sealed class Growth : Benchmark
{
    private const string Repository = "growth.example.org";
    private const int PathsAtOnce = 100;
    private const int Files = 10;
    private static readonly TimeSpan EndMax = TimeSpan.FromMinutes(10);

    public override string Name => "growth";

    public override string Description => "bytes on disk, by kind, over 10,000 small revisions whose paths are removed again, on one node; about 10 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["revisions"] = "small revisions, one path of 10 files each (10000)",
        ["live"] = "paths that a tag keeps (1000)",
        ["grace"] = "seconds of the node's grace (30)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        (int revisions, int live, int grace) = (options.Number("revisions", 10_000), options.Number("live", 1000), options.Number("grace", 30));
        string time = string.Create(CultureInfo.InvariantCulture, $"{grace}s");
        await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync(["--gc-grace", time, "--archive-keep", time], cancellationToken);
        await AskAsync(node, ["repo", "create", Repository], cancellationToken);
        using var pool = new BuilderPool(node.Grpc);
        LoadBuilder builder = pool.Builder("growth");
        for (int i = 0; i < live; i += PathsAtOnce)
            await builder.PublishAsync(new LoadPublish(Repository, [.. Enumerable.Range(i, Math.Min(PathsAtOnce, live - i)).Select(n => SyntheticPath.Package($"live-{n}", Files))]), cancellationToken);
        await AskAsync(node, ["tag", "set", "live", "--repo", Repository], cancellationToken);
        await AskAsync(node, ["repo", "retention", "set", Repository, "--profile-generations", "1", "--keep-recent", "0s"], cancellationToken);
        DiskUse begun = DiskUse.Of(node.Data, Repository);
        Console.WriteLine($"{live} live paths: {begun}");

        long start = Stopwatch.GetTimestamp();
        int asked = 0;
        long most = 0;
        for (int i = 0; i < revisions; i++)
        {
            await builder.PublishAsync(new LoadPublish(Repository, [SyntheticPath.Package($"small-{i}", Files)]), cancellationToken);
            if ((int)(Stopwatch.GetElapsedTime(start).TotalSeconds * 2 / grace) > asked)
            {
                asked++;
                await AskAsync(node, ["gc", "--repo", Repository], cancellationToken);
                most = Math.Max(most, DiskUse.Of(node.Data, Repository).WithoutJournal);
            }

            if ((i + 1) % Math.Max(1, revisions / 10) == 0)
                Console.WriteLine(LoadReport.Text($"{i + 1} revisions after {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s: {DiskUse.Of(node.Data, Repository)}"));
        }

        double rate = revisions / Stopwatch.GetElapsedTime(start).TotalSeconds;
        DiskUse ended = await EndAsync(node, builder, grace, cancellationToken);
        double times = (double)ended.WithoutJournal / begun.Objects.Bytes;
        Console.WriteLine(LoadReport.Text($"{rate:0.0} revisions/s; most at one time {DiskUse.Mebibytes(most)}; when every grace was over: {ended}"));
        Console.WriteLine(LoadReport.Text($"without the journal {times:0.00} times the live objects ({DiskUse.Mebibytes(begun.Objects.Bytes)}); peak memory {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}"));
        return times <= 2;
    }

    // Until what is on the disk does not get less any more, for three graces.
    private static async Task<DiskUse> EndAsync(EmbeddedNode node, LoadBuilder builder, int grace, CancellationToken cancellationToken)
    {
        DiskUse last = DiskUse.Of(node.Data, Repository);
        long since = Stopwatch.GetTimestamp();
        long start = since;
        for (int i = 0; Stopwatch.GetElapsedTime(since).TotalSeconds < 3 * grace && Stopwatch.GetElapsedTime(start) < EndMax; i++)
        {
            await AskAsync(node, ["gc", "--repo", Repository], cancellationToken);
            // The revision before the newest has a name, and what it needs stays: there have to be two without what was removed.
            if (i is 2 or 3)
                await builder.PublishAsync(new LoadPublish(Repository, [SyntheticPath.Package($"last-{i}", Files)]), cancellationToken);
            await Task.Delay(TimeSpan.FromSeconds(grace / 2.0), cancellationToken);
            DiskUse now = DiskUse.Of(node.Data, Repository);
            if (now.WithoutJournal < last.WithoutJournal)
                since = Stopwatch.GetTimestamp();
            last = now;
        }

        return last;
    }

    private static async Task<JsonElement> AskAsync(EmbeddedNode node, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        ProgramRun run = await node.CliAsync([.. arguments, "--json"], null, cancellationToken);
        return run.ExitCode == 0 ? run.Json : throw new InvalidOperationException($"{string.Join(' ', arguments)}: {run.Output}{run.Errors}");
    }
}
