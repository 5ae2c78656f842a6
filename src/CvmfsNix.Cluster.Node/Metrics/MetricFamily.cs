namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary>What kind of number a family holds.</summary>
public enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>All series of one name at a moment.</summary>
/// <param name="Name">As Prometheus has it.</param>
/// <param name="Help">One sentence.</param>
/// <param name="Kind">Of all series.</param>
/// <param name="Samples">In the order of their labels.</param>
public sealed record MetricFamily(string Name, string Help, MetricKind Kind, IReadOnlyList<MetricSample> Samples);

/// <summary>A series at a moment.</summary>
/// <param name="Labels">By name.</param>
/// <param name="Value">The number; the sum of a histogram.</param>
public sealed record MetricSample(IReadOnlyList<KeyValuePair<string, string>> Labels, double Value)
{
    /// <summary>Observations of a histogram.</summary>
    public long Count { get; init; }

    /// <summary>Upper bounds of a histogram, each with the observations up to it; the last bound is infinite.</summary>
    public IReadOnlyList<KeyValuePair<double, long>> Buckets { get; init; } = [];
}
