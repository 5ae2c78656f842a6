using CvmfsNix.Cluster.Benchmarks.Running;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>Something that can be measured by name.</summary>
internal abstract class Benchmark
{
    /// <summary>All of them.</summary>
    public static readonly IReadOnlyList<Benchmark> All =
    [
        new ClusterLoad(),
        new EmbeddedLoad(),
        new LeaderLoss(),
        new Fairness(),
        new CommitGuardCost(),
        new NixDatabaseCost(),
        new MirrorLatency(),
        new MirrorDelta(),
        new MirrorInitial(),
        new NixCache(),
        new CommitCost(),
        new Growth(),
        new CollectionCost(),
        new IngestCost(),
        new LargeFileCost(),
        new Serving(),
        new Start(),
    ];

    /// <summary>As the command line names it.</summary>
    public abstract string Name { get; }

    /// <summary>What is measured, and about how long it takes.</summary>
    public abstract string Description { get; }

    /// <summary>Options by name, with what they mean.</summary>
    public virtual IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>();

    /// <summary>Measures, and prints figures.</summary>
    /// <returns>False when what was measured was not correct.</returns>
    public abstract Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken);
}
