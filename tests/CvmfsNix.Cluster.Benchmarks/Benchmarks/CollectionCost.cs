using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>What it costs to remove and collect half of a large repository, and what publishes notice of it.</summary>
internal sealed class CollectionCost : Benchmark
{
    private const string Repository = "collection.example.org";
    private const int PathsAtOnce = 500;
    private const int FilesOfPath = 2;
    private const int Before = 300;
    private static readonly TimeSpan Thinking = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan EndMax = TimeSpan.FromMinutes(30);

    public override string Name => "collection";

    public override string Description => "removal and collection of half of 100,000 store paths on one node: time, input and output, memory, and the latency of publishes before and meanwhile; about 15 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["paths"] = "store paths, of two files each (100000)",
        ["grace"] = "seconds of the node's grace (30)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        (int paths, int grace) = (options.Number("paths", 100_000), options.Number("grace", 30));
        string time = string.Create(CultureInfo.InvariantCulture, $"{grace}s");
        await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync(["--gc-grace", time, "--archive-keep", time], cancellationToken);
        await AskAsync(node, ["repo", "create", Repository], cancellationToken);
        using var pool = new BuilderPool(node.Grpc);
        LoadBuilder builder = pool.Builder("makes");
        long making = Stopwatch.GetTimestamp();
        await MakeAsync(builder, "kept", paths / 2, cancellationToken);
        await AskAsync(node, ["tag", "set", "kept", "--repo", Repository], cancellationToken);
        await MakeAsync(builder, "goes", paths / 2, cancellationToken);
        await AskAsync(node, ["repo", "retention", "set", Repository, "--profile-generations", "1", "--keep-recent", "0s"], cancellationToken);
        Console.WriteLine(LoadReport.Text($"{paths} paths in {Stopwatch.GetElapsedTime(making).TotalSeconds:0} s: {DiskUse.Of(node.Data, Repository)}; peak memory {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}"));

        await using var load = new TimedLoad(pool.Builder("small"), Repository, Thinking, cancellationToken);
        int before = 0;
        // Whatever the making left to be done is none of what is compared.
        await load.UntilAsync(Before / 3, cancellationToken);
        before = load.Answers.Count;
        await load.UntilAsync(before + Before, cancellationToken);
        IReadOnlyList<LoadAnswer> alone = [.. load.Answers.Skip(before)];
        Console.WriteLine($"before: {LoadReport.Of(alone)}");

        double p50 = LoadReport.Percentile([.. alone.Select(a => a.Milliseconds)], 50);
        var removal = Phase.Begin(node.Id, load.Answers.Count);
        await AskAsync(node, ["gc", "--repo", Repository], cancellationToken);
        await UntilAsync(node, s => !s.GetProperty("removing").GetBoolean(), cancellationToken);
        double during = removal.End("removal of paths", load, p50);

        // Runs by the clock look at everything; those that delete come when the grace is over. A short one may come and go between two looks.
        long wanted = (long)(paths / 2) * FilesOfPath, deleted = 0;
        double worst = during;
        for (long start = Stopwatch.GetTimestamp(); deleted < wanted && Stopwatch.GetElapsedTime(start) < EndMax;)
        {
            await UntilAsync(node, s => s.GetProperty("collecting").GetBoolean(), cancellationToken);
            var run = Phase.Begin(node.Id, load.Answers.Count);
            JsonElement status = await UntilAsync(node, s => !s.GetProperty("collecting").GetBoolean(), cancellationToken);
            long now = await DeletedAsync(node, cancellationToken);
            worst = Math.Max(worst, run.End(LoadReport.Text($"collection: {status.GetProperty("liveObjects").GetInt64()} live, {status.GetProperty("youngObjects").GetInt64()} too young, {now - deleted} deleted"), load, p50));
            deleted = now;
            if (status.GetProperty("collectionProblem").ValueKind == JsonValueKind.String)
                throw new InvalidOperationException(status.GetProperty("collectionProblem").GetString());
        }

        await load.EndAsync();
        Console.WriteLine(LoadReport.Text($"{deleted} objects deleted; worst p50 meanwhile {worst / p50:0.00} times that before; left: {DiskUse.Of(node.Data, Repository)}"));
        return deleted >= wanted;
    }

    private static async Task MakeAsync(LoadBuilder builder, string kind, int count, CancellationToken cancellationToken)
    {
        for (int i = 0; i < count; i += PathsAtOnce)
        {
            await builder.PublishAsync(
                new LoadPublish(Repository, [.. Enumerable.Range(i, Math.Min(PathsAtOnce, count - i)).Select(n => SyntheticPath.Package($"{kind}-{n}", FilesOfPath))]), cancellationToken);
        }
    }

    private static async Task<JsonElement> UntilAsync(EmbeddedNode node, Func<JsonElement, bool> reached, CancellationToken cancellationToken)
    {
        while (true)
        {
            JsonElement status = (await AskAsync(node, ["gc", "status", "--repo", Repository], cancellationToken)).EnumerateArray().Single();
            if (reached(status))
                return status;
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    // Since the start of the node, in all runs.
    private static async Task<long> DeletedAsync(EmbeddedNode node, CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        string metrics = await client.GetStringAsync(new Uri(node.Management + "/metrics"), cancellationToken);
        return metrics.Split('\n').Where(l => l.StartsWith("cvmfsnix_collection_deleted_objects", StringComparison.Ordinal) && l.Contains(Repository, StringComparison.Ordinal))
            .Sum(l => long.Parse(l[(l.LastIndexOf(' ') + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture));
    }

    private static async Task<JsonElement> AskAsync(EmbeddedNode node, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        (await node.CliAsync([.. arguments, "--json"], null, cancellationToken)).Json;

    private sealed record Phase(int Process, int Answers, long Start, double Processor, (long Read, long Written) Transferred)
    {
        public static Phase Begin(int process, int answers) => new(process, answers, Stopwatch.GetTimestamp(), Seconds(process), MachineLoad.Transferred(process));

        // The p50 of publishes meanwhile.
        public double End(string what, TimedLoad load, double p50)
        {
            double seconds = Stopwatch.GetElapsedTime(Start).TotalSeconds;
            (long read, long written) = MachineLoad.Transferred(Process);
            IReadOnlyList<LoadAnswer> meanwhile = [.. load.Answers.Skip(Answers)];
            Console.WriteLine(LoadReport.Text(
                $"{what}: {seconds:0.0} s, {Seconds(Process) - Processor:0.0} s of processors, read {DiskUse.Mebibytes(read - Transferred.Read)} ({DiskUse.Mebibytes((long)((read - Transferred.Read) / seconds))}/s), written {DiskUse.Mebibytes(written - Transferred.Written)} ({DiskUse.Mebibytes((long)((written - Transferred.Written) / seconds))}/s), peak memory so far {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(Process))}"));
            // A handful of answers says nothing.
            if (meanwhile.Count < 20)
                return 0;
            double now = LoadReport.Percentile([.. meanwhile.Select(a => a.Milliseconds)], 50);
            Console.WriteLine(LoadReport.Text($"    meanwhile: {LoadReport.Of(meanwhile)}; p50 {now / p50:0.00} times that before"));
            return now;
        }

        private static double Seconds(int process) => MachineLoad.Seconds([("node", process)])["node"];
    }
}
