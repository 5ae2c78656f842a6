using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Mirrors;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>The first copy of a repository on loopback, beside a plain download of the same files from the same server, by turns.</summary>
internal sealed class MirrorInitial : Benchmark
{
    private const string Large = "large.example.org";
    private const string Nested = "nested.example.org";
    private const int PathsOfAPublish = 250;
    private const int FilesOfANestedPath = 10;

    public override string Name => "mirror-initial";

    public override string Description => "first copy of 20,000 objects and 1 GiB on loopback, beside a plain download; then of 5,000 paths with nested catalogs; about 10 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["objects"] = "files (20000)",
        ["megabytes"] = "of all files together, MiB (1024)",
        ["paths"] = "store paths with a nested catalog each (5000)",
        ["turns"] = "of each (3)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        int objects = options.Number("objects", 20_000);
        int bytes = (int)(((long)options.Number("megabytes", 1024) << 20) / objects);
        int paths = options.Number("paths", 5000);
        int turns = options.Number("turns", 3);
        await using MirrorPair pair = await MirrorPair.StartAsync(TimeSpan.Zero, cancellationToken);
        bool clean = true;

        const int FilesOfAPath = 1000;
        string largeKey = await PublishAsync(pair, Large, Math.Max(1, objects / FilesOfAPath), Math.Min(objects, FilesOfAPath), bytes, 1, cancellationToken);
        clean &= await CompareAsync(pair, Large, largeKey, turns, cancellationToken);

        string nestedKey = await PublishAsync(pair, Nested, paths, FilesOfANestedPath, 200, PathsOfAPublish, cancellationToken);
        clean &= await CompareAsync(pair, Nested, nestedKey, turns, cancellationToken);
        return clean;
    }

    private static async Task<string> PublishAsync(MirrorPair pair, string fqrn, int paths, int files, int fileBytes, int together, CancellationToken cancellationToken)
    {
        string key = await pair.CreateAsync(fqrn, cancellationToken);
        var store = new MadeStore(Path.Combine(pair.Folder, fqrn));
        var all = new List<string>();
        for (int i = 0; i < paths; i++)
            all.Add(await store.AddAsync($"{fqrn} {i}", files, fileBytes, cancellationToken));
        store.Register();
        using (var publisher = new Publisher(pair.Core, fqrn, store))
        {
            foreach (string[] part in all.Chunk(together))
                _ = await publisher.PublishAsync(part, cancellationToken);
        }

        Directory.Delete(store.Root, recursive: true);
        return key;
    }

    private static async Task<bool> CompareAsync(MirrorPair pair, string fqrn, string key, int turns, CancellationToken cancellationToken)
    {
        string[] objects = pair.Objects(fqrn);
        long bytes = objects.Sum(o => new FileInfo(Path.Combine(pair.Core.Data, "cvmfs", fqrn, o)).Length);
        ulong head = (await ProgramRun.RunAsync(BuiltProgram.Cli, ["repo", "show", fqrn, "--json", "--server", pair.Core.Grpc], null, cancellationToken)).Json.GetProperty("revision").GetUInt64();
        Console.WriteLine(LoadReport.Text($"{fqrn}: revision {head}, {objects.Length} objects, {bytes / 1048576.0:0} MiB on the core"));
        var ours = new List<double>();
        var plain = new List<double>();
        for (int turn = 0; turn < turns; turn++)
        {
            ClusterNode mirror = pair.NewMirror(fqrn);
            long start = Stopwatch.GetTimestamp();
            mirror.Launch();
            Task<long> shown = MirrorPair.ShownAsync(mirror, fqrn, head, cancellationToken);
            // Until here it started and found the core; from here on it copies.
            while (!mirror.HasLogged("is mirrored from now on") && !shown.IsCompleted)
                await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken);
            long begun = Stopwatch.GetTimestamp();
            double took = Stopwatch.GetElapsedTime(begun, await shown).TotalMilliseconds;
            double process = Stopwatch.GetElapsedTime(start, await shown).TotalMilliseconds;
            long peak = MachineLoad.PeakResidentBytes(mirror.Id);
            bool complete = await MirrorPair.VerifyAsync(mirror, fqrn, key, cancellationToken);
            await mirror.KillAsync();
            Directory.Delete(mirror.Data, recursive: true);
            (double download, double plainProcess) = await PlainFetch.MeasureAsync(pair, $"{pair.Core.Http}/cvmfs/{fqrn}", objects, cancellationToken);
            ours.Add(took);
            plain.Add(download);
            Console.WriteLine(LoadReport.Text(
                $"  turn {turn + 1}: mirror {took / 1000:0.00} s ({bytes / 1048.576 / took:0.0} MiB/s, {objects.Length * 1000 / took:0} objects/s; {process / 1000:0.00} s from the start of its process), at most {peak / 1048576.0:0} MiB resident; plain download {download / 1000:0.00} s ({plainProcess / 1000:0.00} s with its process); load average {MachineLoad.Now}"));
            if (!complete)
                return false;
        }

        Console.WriteLine(LoadReport.Text(
            $"{fqrn}: mirror {LoadReport.Percentile(ours, 50) / 1000:0.00} s, plain download {LoadReport.Percentile(plain, 50) / 1000:0.00} s: {100 * LoadReport.Percentile(plain, 50) / LoadReport.Percentile(ours, 50):0} % of its speed"));
        return true;
    }
}
