using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Mirrors;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>How long after the core serves a small publish a mirror serves it.</summary>
internal sealed class MirrorLatency : Benchmark
{
    private const string Fqrn = "latency.example.org";
    private const int WarmUp = 20;

    public override string Name => "mirror-latency";

    public override string Description => "commit to visible on a mirror, publishes of 10 files one after the other; about 2 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["publishes"] = "measured ones (200)",
        ["rtt"] = "round-trip times in ms, 0 is loopback (0,50)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        int publishes = options.Number("publishes", 200);
        bool clean = true;
        foreach (int rtt in options.Numbers("rtt", 0, 50))
        {
            await using MirrorPair pair = await MirrorPair.StartAsync(TimeSpan.FromMilliseconds(rtt), cancellationToken);
            string key = await pair.CreateAsync(Fqrn, cancellationToken);
            ClusterNode mirror = pair.NewMirror(Fqrn);
            await mirror.StartAsync(cancellationToken);
            var store = new MadeStore(Path.Combine(pair.Folder, "store"));
            var paths = new List<string>();
            for (int i = 0; i < WarmUp + publishes; i++)
                paths.Add(await store.AddAsync($"latency {i}", 10, 2000, cancellationToken));
            store.Register();

            using var publisher = new Publisher(pair.Core, Fqrn, store);
            var afterCore = new List<double>();
            var afterAnswer = new List<double>();
            ulong revision = 1;
            foreach (string path in paths)
            {
                Task<long> core = MirrorPair.ShownAsync(pair.Core, Fqrn, revision + 1, cancellationToken);
                Task<long> there = MirrorPair.ShownAsync(mirror, Fqrn, revision + 1, cancellationToken);
                (revision, long answered) = await publisher.PublishAsync([path], cancellationToken);
                afterCore.Add(Stopwatch.GetElapsedTime(await core, await there).TotalMilliseconds);
                afterAnswer.Add(Stopwatch.GetElapsedTime(answered, await there).TotalMilliseconds);
            }

            afterCore.RemoveRange(0, WarmUp);
            afterAnswer.RemoveRange(0, WarmUp);
            Console.WriteLine(LoadReport.Text(
                $"rtt {rtt} ms, {publishes} publishes of 10 files: visible on the mirror after the core serves it p50 {LoadReport.Percentile(afterCore, 50):0} ms, p99 {LoadReport.Percentile(afterCore, 99):0} ms; after the builder has its answer p50 {LoadReport.Percentile(afterAnswer, 50):0} ms, p99 {LoadReport.Percentile(afterAnswer, 99):0} ms; load average {MachineLoad.Now}"));
            clean &= await MirrorPair.VerifyAsync(mirror, Fqrn, key, cancellationToken);
        }

        return clean;
    }
}
