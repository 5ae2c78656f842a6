using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Mirrors;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>A revision of many small objects on a long line, beside a plain download of the same objects, by turns.</summary>
internal sealed class MirrorDelta : Benchmark
{
    private const string Fqrn = "delta.example.org";
    private const int FileBytes = 5 << 10;

    public override string Name => "mirror-delta";

    public override string Description => "an 800-object, 4 MiB revision at several round-trip times, beside one request an object over 16 connections; about 2 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["objects"] = "files of the revision (800)",
        ["rtt"] = "round-trip times in ms, 0 is loopback (0,5,20,50)",
        ["turns"] = "of each (5)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        int objects = options.Number("objects", 800);
        int turns = options.Number("turns", 5);
        bool clean = true;
        foreach (int rtt in options.Numbers("rtt", 0, 5, 20, 50))
        {
            await using MirrorPair pair = await MirrorPair.StartAsync(TimeSpan.FromMilliseconds(rtt), cancellationToken);
            string key = await pair.CreateAsync(Fqrn, cancellationToken);
            ClusterNode mirror = pair.NewMirror(Fqrn);
            await mirror.StartAsync(cancellationToken);
            var store = new MadeStore(Path.Combine(pair.Folder, "store"));
            var paths = new List<string>();
            for (int i = 0; i <= turns; i++)
                paths.Add(await store.AddAsync($"delta {i}", objects, FileBytes, cancellationToken));
            store.Register();

            using var publisher = new Publisher(pair.Core, Fqrn, store);
            var ours = new List<double>();
            var plain = new List<double>();
            ulong revision = 1;
            for (int turn = 0; turn <= turns; turn++)
            {
                HashSet<string> before = [.. pair.Objects(Fqrn)];
                Task<long> core = MirrorPair.ShownAsync(pair.Core, Fqrn, revision + 1, cancellationToken);
                Task<long> there = MirrorPair.ShownAsync(mirror, Fqrn, revision + 1, cancellationToken);
                (revision, _) = await publisher.PublishAsync([paths[turn]], cancellationToken);
                ours.Add(Stopwatch.GetElapsedTime(await core, await there).TotalMilliseconds);
                string[] added = [.. pair.Objects(Fqrn).Where(o => !before.Contains(o))];
                plain.Add((await PlainFetch.MeasureAsync(pair, $"{pair.Core.Http}/cvmfs/{Fqrn}", added, cancellationToken)).Milliseconds);
            }

            // The first turn compiles.
            ours.RemoveAt(0);
            plain.RemoveAt(0);
            string trips = rtt > 0 ? LoadReport.Text($" = {LoadReport.Percentile(ours, 50) / rtt:0.0} round trips") : "";
            Console.WriteLine(LoadReport.Text(
                $"rtt {rtt} ms, {objects} objects of {FileBytes} bytes: served by the mirror {LoadReport.Percentile(ours, 50):0} ms after the core (min {ours.Min():0}, max {ours.Max():0}){trips}; one request an object, {PlainFetch.Connections} connections: {LoadReport.Percentile(plain, 50):0} ms (min {plain.Min():0}, max {plain.Max():0}); load average {MachineLoad.Now}"));
            clean &= await MirrorPair.VerifyAsync(mirror, Fqrn, key, cancellationToken);
        }

        return clean;
    }
}
