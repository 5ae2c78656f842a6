using System.Diagnostics;
using System.Text.Json;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>How long a node takes until it is of use again, with a large repository and a long history, and how much memory it needs.</summary>
internal sealed class Start : Benchmark
{
    private const string Repository = "start.example.org";
    private const int PathsAtOnce = 1000;
    private const int AtOnce = 3;
    private const int Publishes = 50;
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);

    public override string Name => "start";

    public override string Description => "a node's start with many paths and revisions, after a clean stop and after a kill: until it is ready, until the first publish is answered, processor, memory; about 2 min, with --paths 100000 --revisions 10000 some 20 min more to make them";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["paths"] = "store paths, of two files each (5000)",
        ["revisions"] = "of one path each, a link; they come first and count among the paths (500)",
        ["times"] = "starts of each kind (5)",
        ["data"] = "data folder to keep: what it lacks is made (none)",
        ["node"] = "file of the node's program, to compare builds (the one that was built)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        (int paths, int revisions, int times) = (options.Number("paths", 5000), options.Number("revisions", 500), options.Number("times", 5));
        string program = options.Text("node", BuiltProgram.Node);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cvmfsnix-start-");
        string data = Path.GetFullPath(options.Text("data", Path.Combine(folder.FullName, "data")));
        try
        {
            await MakeAsync(program, data, paths, revisions, cancellationToken);
            int number = Environment.ProcessId;
            // Each start is measured after the kind of end before it; this one only brings the files into memory.
            await using (NodeProcess first = await NodeProcess.StartAsync(program, data, cancellationToken))
            {
                Console.WriteLine(LoadReport.Text($"first start: ready after {first.Ready.TotalMilliseconds:0} ms; {await ShownAsync(first, cancellationToken)}; {DiskUse.Of(data, Repository)}"));
                await first.StopAsync(cancellationToken);
            }

            foreach (bool clean in (bool[])[true, false])
                await MeasureAsync(program, data, clean, times, number, cancellationToken);
            await MemoryAsync(program, data, number, cancellationToken);
            Console.WriteLine($"load average {MachineLoad.Now} at the end");
            return true;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task MeasureAsync(string program, string data, bool clean, int times, int number, CancellationToken cancellationToken)
    {
        var (ready, processor, peak, acknowledged) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (int i = 0; i <= times; i++)
        {
            await using NodeProcess node = await NodeProcess.StartAsync(program, data, cancellationToken);
            double used = node.ProcessorSeconds;
            long most = MachineLoad.PeakResidentBytes(node.Id);
            using var pool = new BuilderPool(node.Grpc);
            LoadAnswer answer = await pool.Builder("start").PublishAsync(Publish($"{(clean ? "clean" : "killed")}-{number}-{i}"), cancellationToken);
            // The first one comes after an end of another kind.
            if (i > 0)
            {
                ready.Add(node.Ready.TotalMilliseconds);
                processor.Add(used);
                peak.Add(most / 1048576.0);
                acknowledged.Add(Stopwatch.GetElapsedTime(node.StartedAt, answer.Answered).TotalMilliseconds);
            }

            if (clean)
                await node.StopAsync(cancellationToken);
            else
                await node.KillAsync();
        }

        Console.WriteLine(LoadReport.Text(
            $"{(clean ? "after a clean stop" : "after SIGKILL")}, {times} starts: ready after {Spread(ready)} ms, first publish answered after {Spread(acknowledged)} ms; until ready {Spread(processor, "0.00")} s of processors, peak memory {Spread(peak)} MiB"));
    }

    private static async Task MemoryAsync(string program, string data, int number, CancellationToken cancellationToken)
    {
        await using NodeProcess node = await NodeProcess.StartAsync(program, data, cancellationToken);
        await Task.Delay(Idle, cancellationToken);
        (long idle, long peak, double used) = (MachineLoad.ResidentBytes(node.Id), MachineLoad.PeakResidentBytes(node.Id), node.ProcessorSeconds);
        await Task.Delay(Idle, cancellationToken);
        double idleShare = (node.ProcessorSeconds - used) / Idle.TotalSeconds;
        using var pool = new BuilderPool(node.Grpc);
        LoadBuilder builder = pool.Builder("start");
        var answers = new List<LoadAnswer>();
        for (int i = 0; i < Publishes; i++)
            answers.Add(await builder.PublishAsync(Publish($"memory-{number}-{i}"), cancellationToken));
        Console.WriteLine(LoadReport.Text(
            $"memory: idle {DiskUse.Mebibytes(idle)}, at most {DiskUse.Mebibytes(peak)} until then, {idleShare:0.00} processors; with {LoadReport.Of(answers)}: at most {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}"));
    }

    // Goes on where another run was ended.
    private static async Task MakeAsync(string program, string data, int paths, int revisions, CancellationToken cancellationToken)
    {
        bool there = Directory.Exists(data);
        // Superseded catalogs go soon: ten thousand of them take more than all the rest.
        await using NodeProcess node = await NodeProcess.StartAsync(program, data, cancellationToken, "--gc-grace", "60s");
        if (!there)
            (await ProgramRun.RunAsync(BuiltProgram.Cli, ["repo", "create", Repository, "--server", node.Grpc], null, cancellationToken)).Succeeded();
        JsonElement shown = await ShowAsync(node, cancellationToken);
        (int present, ulong revision) = ((int)shown.GetProperty("paths").GetInt64(), shown.GetProperty("revision").GetUInt64());
        using var pool = new BuilderPool(node.Grpc);
        LoadBuilder builder = pool.Builder("makes");
        long making = Stopwatch.GetTimestamp();
        // Only so many at once, because what waits together becomes one revision: one commits, and one gets ready. While the repository is
        // small, because each revision stores its catalog; and paths of one link, which take least of it.
        int next = present - 1;
        ulong before = revision;
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            while (Interlocked.Read(ref revision) < (ulong)revisions)
            {
                LoadAnswer answer = await builder.PublishAsync(
                    new LoadPublish(Repository, [SyntheticPath.Of($"revision-{Interlocked.Increment(ref next)}", SyntheticTree.Symlink("target"))]), cancellationToken);
                Interlocked.Exchange(ref revision, answer.Revision);
            }
        }));
        double small = Stopwatch.GetElapsedTime(making).TotalSeconds;
        making = Stopwatch.GetTimestamp();
        for (int i = next + 1; i < paths; i += PathsAtOnce)
            await builder.PublishAsync(new LoadPublish(Repository, [.. Enumerable.Range(i, Math.Min(PathsAtOnce, paths - i)).Select(n => Made($"path-{n}"))]), cancellationToken);
        Console.WriteLine(LoadReport.Text(
            $"made: {revision - before} revisions in {small:0} s, then up to {paths} paths in {Stopwatch.GetElapsedTime(making).TotalSeconds:0} s; peak memory {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}"));
        await node.StopAsync(cancellationToken);
    }

    private static async Task<JsonElement> ShowAsync(NodeProcess node, CancellationToken cancellationToken) =>
        (await ProgramRun.RunAsync(BuiltProgram.Cli, ["repo", "show", Repository, "--json", "--server", node.Grpc], null, cancellationToken)).Json;

    private static async Task<string> ShownAsync(NodeProcess node, CancellationToken cancellationToken)
    {
        JsonElement shown = await ShowAsync(node, cancellationToken);
        return LoadReport.Text($"{shown.GetProperty("paths").GetInt64()} paths, revision {shown.GetProperty("revision").GetInt64()}");
    }

    private static LoadPublish Publish(string name) => new(Repository, [Made(name)]);

    private static SyntheticPath Made(string name) => SyntheticPath.Package(name, 2);

    // Median, and the extremes.
    private static string Spread(List<double> values, string format = "0")
    {
        var invariant = System.Globalization.CultureInfo.InvariantCulture;
        return $"{LoadReport.Percentile(values, 50).ToString(format, invariant)} ({values.Min().ToString(format, invariant)} to {values.Max().ToString(format, invariant)})";
    }
}
