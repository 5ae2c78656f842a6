using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.Benchmarks.Checking;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>What small publishes notice of a very large one in another repository, and one builder of another's thousand.</summary>
internal sealed class Fairness : Benchmark
{
    private const string Small = "small.example.org";
    private const string Large = "large.example.org";
    private const int Builders = 4;
    private const int FilesOfLarge = 16;

    public override string Name => "fairness";

    public override string Description => "latency of small publishes beside one of 1 GiB in another repository; batches that a builder waits for beside one with 1,000 publishes; about 2 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["mebibytes"] = "of the large publish (1024)",
        ["queued"] = "publishes of the greedy builder (1000)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        await using BenchmarkCluster cluster = await BenchmarkCluster.StartAsync(cancellationToken);
        string key = await cluster.CreateAsync(Small, cancellationToken);
        await cluster.CreateAsync(Large, cancellationToken);
        using var pool = new BuilderPool(cluster.Nodes.Servers);
        var answers = new List<LoadAnswer>(await OverlappingLoad.RunAsync(pool, Small, "warm", 32, 10, cancellationToken));
        answers.AddRange(await BesideAsync(cluster, pool, options.Number("mebibytes", 1024), cancellationToken));
        (IReadOnlyList<LoadAnswer> queued, bool fair) = await QueuedAsync(pool, options.Number("queued", 1000), answers.Max(a => a.Revision), cancellationToken);
        answers.AddRange(queued);
        return await new LoadCheck(cluster, Small, key).RunAsync(answers, cancellationToken) && fair;
    }

    private static async Task<IReadOnlyList<LoadAnswer>> BesideAsync(BenchmarkCluster cluster, BuilderPool pool, int mebibytes, CancellationToken cancellationToken)
    {
        IReadOnlyList<LoadAnswer> alone = await OverlappingLoad.RunAsync(pool, Small, "alone", Builders, 40, cancellationToken);
        Console.WriteLine($"{Builders} builders alone: {LoadReport.Of(alone)}");

        (StorePathName path, string[] arguments) = await MakeLargeAsync(Path.Combine(cluster.Nodes.Folder, "large"), mebibytes, cancellationToken);
        long start = Stopwatch.GetTimestamp();
        Task<ProgramRun> large = cluster.Nodes.CliAsync(["publish", "--repo", Large, StoreDirectory.Default.FullPath(path), .. arguments, "--json"], cancellationToken);
        var beside = new List<LoadAnswer>();
        for (int i = 0; !large.IsCompleted; i++)
            beside.AddRange(await OverlappingLoad.RunAsync(pool, Small, $"beside-{i}", Builders, 4, cancellationToken));
        JsonElement done = (await large).Json;
        double ratio = LoadReport.Percentile([.. beside.Select(a => a.Milliseconds)], 50) / LoadReport.Percentile([.. alone.Select(a => a.Milliseconds)], 50);
        Console.WriteLine(LoadReport.Text($"beside {mebibytes} MiB ({Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s, {done.GetProperty("bytesSent").GetInt64() >> 20} MiB sent): {LoadReport.Of(beside)}"));
        Console.WriteLine(LoadReport.Text($"p50 beside the large publish is {ratio:0.00} times that alone"));
        return [.. alone, .. beside];
    }

    private static async Task<(IReadOnlyList<LoadAnswer> Answers, bool Fair)> QueuedAsync(BuilderPool pool, int queued, ulong newest, CancellationToken cancellationToken)
    {
        LoadPublish[] flood = [.. Enumerable.Range(0, queued).Select(i => new LoadPublish(Small, SyntheticPath.Package($"flood-{i}", 3)))];
        LoadBuilder greedy = pool.Builder("greedy");
        LoadBuilder modest = pool.Builder("modest");
        var answers = new List<LoadAnswer>();
        Task<LoadAnswer>[] running = [.. flood.Select(p => Task.Run(
            async () =>
            {
                LoadAnswer answer = await greedy.PublishAsync(p, cancellationToken);
                Later(ref newest, answer.Revision);
                return answer;
            },
            cancellationToken))];
        var waited = new List<ulong>();
        for (int i = 0; running.Any(r => !r.IsCompleted); i++)
        {
            var publish = new LoadPublish(Small, SyntheticPath.Package($"modest-{i}", 3));
            ulong known = 0;
            LoadAnswer answer = await modest.PublishAsync(publish, cancellationToken, () => known = Volatile.Read(ref newest));
            waited.Add(answer.Revision - Math.Min(answer.Revision, known));
            Later(ref newest, answer.Revision);
            answers.Add(answer);
        }

        LoadAnswer[] flooded = await Task.WhenAll(running);
        Console.WriteLine($"a builder with {queued} at once: {LoadReport.Of(flooded)}");
        Console.WriteLine($"another beside it: {LoadReport.Of(answers)}");

        // Answered revisions lag behind by the one that runs and the one whose answers are on their way; the next is the builder's.
        const ulong Fair = 3;
        Console.WriteLine($"revisions from the newest answered at its seal to its own: {string.Join(' ', waited.GroupBy(w => w).OrderBy(g => g.Key).Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Key} ({g.Count()} times)")))}");
        return ([.. flooded, .. answers], waited.All(w => w <= Fair));
    }

    private static void Later(ref ulong newest, ulong revision)
    {
        ulong before = Volatile.Read(ref newest);
        while (before < revision)
        {
            ulong found = Interlocked.CompareExchange(ref newest, revision, before);
            if (found == before)
                return;
            before = found;
        }
    }

    private static async Task<(StorePathName Path, string[] Arguments)> MakeLargeAsync(string root, int mebibytes, CancellationToken cancellationToken)
    {
        StorePathName name = SyntheticPath.NameOf("large");
        string disk = root + StoreDirectory.Default.FullPath(name);
        Directory.CreateDirectory(disk);
        var random = new Random(1);
        byte[] part = new byte[1 << 20];
        for (int i = 0; i < FilesOfLarge; i++)
        {
            await using FileStream file = File.Create(Path.Combine(disk, $"file-{i}"));
            for (int written = i; written < mebibytes; written += FilesOfLarge)
            {
                random.NextBytes(part);
                await file.WriteAsync(part, cancellationToken);
            }
        }

        (NarHash hash, long size) = await NarFromDisk.HashAsync(disk, cancellationToken);
        string registration = Path.Combine(root, "registration");
        await using (var writer = new StreamWriter(registration))
            Registration.Write(writer, StoreDirectory.Default, [new PathInfo { Path = name, NarHash = hash, NarSize = size, References = [] }]);
        return (name, ["--store-root", root, "--registration", registration]);
    }
}
