using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Checking;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>Many builders at once, on three nodes.</summary>
internal sealed class ClusterLoad : Benchmark
{
    private const string Repository = "load.example.org";

    public override string Name => "cluster-load";

    public override string Description => "three nodes, two copies, PostgreSQL, all on this machine: publishes a second and latency with 1, 8 and 64 builders at once; about 1 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["builders"] = "how many at once, one run for each number (1,8,64)",
        ["publishes"] = "of each builder (20)",
        ["rounds"] = "of the whole series, after one that only warms up (1)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        IReadOnlyList<int> builders = options.Numbers("builders", 1, 8, 64);
        int publishes = options.Number("publishes", 20);
        await using BenchmarkCluster cluster = await BenchmarkCluster.StartAsync(cancellationToken);
        string key = await cluster.CreateAsync(Repository, cancellationToken);
        using var pool = new BuilderPool(cluster.Nodes.Servers);

        // Nodes that have just started compile their code while they run it.
        var all = new List<LoadAnswer>(await OverlappingLoad.RunAsync(pool, Repository, "warm", 32, 10, cancellationToken));
        Console.WriteLine($"warm-up: {LoadReport.Of(all)}");
        int series = 0;
        for (int round = 1; round <= options.Number("rounds", 1); round++)
        {
            foreach (int count in builders)
            {
                IReadOnlyDictionary<string, double> before = await cluster.ProcessorAsync(cancellationToken);
                double busy = MachineLoad.BusySeconds();
                long start = Stopwatch.GetTimestamp();
                IReadOnlyList<LoadAnswer> answers = await OverlappingLoad.RunAsync(pool, Repository, $"series-{++series}", count, publishes, cancellationToken);
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                busy = MachineLoad.BusySeconds() - busy;
                IReadOnlyDictionary<string, double> after = await cluster.ProcessorAsync(cancellationToken);
                string used = string.Join(", ", after.Select(a => LoadReport.Text($"{a.Key} {(a.Value - before.GetValueOrDefault(a.Key)) * 1000 / answers.Count:0.0} ms")));
                Console.WriteLine(LoadReport.Text($"{count} builders: {LoadReport.Of(answers)}\n    processor time of one publish: {used}; the machine was busy for {busy / seconds:0.00} of {Environment.ProcessorCount} processors"));
                all.AddRange(answers);
            }
        }

        return await new LoadCheck(cluster, Repository, key).RunAsync(all, cancellationToken);
    }
}
