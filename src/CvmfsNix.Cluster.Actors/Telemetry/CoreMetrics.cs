using System.Diagnostics.Metrics;

namespace CvmfsNix.Cluster.Actors.Telemetry;

/// <summary>What the node that leads measures of its commits. Of the process: a leadership that ends leaves its numbers behind.</summary>
public static class CoreMetrics
{
    /// <summary>Where they are published.</summary>
    public static readonly Meter Meter = new("CvmfsNix.Cluster.Core");

    private static readonly InstrumentAdvice<double> Seconds = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] };
    private static readonly InstrumentAdvice<long> Members = new() { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] };

    /// <summary>Transactions a commit decided.</summary>
    internal static readonly Histogram<long> BatchSize = Meter.CreateHistogram("cvmfsnix.commit.batch.size", "{transactions}", "Transactions that a commit decided, on the node that leads.", null, Members);

    /// <summary>From the batch to the catalogs that are durable.</summary>
    internal static readonly Histogram<double> PrepareDuration = Meter.CreateHistogram("cvmfsnix.commit.prepare.duration", "s", "Time to make a batch durable before its append, on the node that leads.", null, Seconds);

    /// <summary>Bytes that the database of Nix in a tree added to the store.</summary>
    internal static readonly Counter<long> NixDatabaseBytes = Meter.CreateCounter<long>("cvmfsnix.nix.database.stored", "By", "Stored bytes that the database of Nix in the tree added, on the node that leads.");

    /// <summary>Time to store what of it changed.</summary>
    internal static readonly Histogram<double> NixDatabaseDuration = Meter.CreateHistogram("cvmfsnix.nix.database.duration", "s", "Time to store what changed of the database of Nix in the tree, part of that of its commit, on the node that leads.", null, Seconds);

    /// <summary>From the append to its confirmation.</summary>
    internal static readonly Histogram<double> AppendDuration = Meter.CreateHistogram("cvmfsnix.journal.append.duration", "s", "Time the journal took to confirm a commit, on the node that leads.", null, Seconds);
}
