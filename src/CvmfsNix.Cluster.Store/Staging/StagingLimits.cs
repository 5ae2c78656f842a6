using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>What one transaction may take of a gateway.</summary>
public sealed record StagingLimits
{
    /// <summary>Sizes of packs and of the objects in them.</summary>
    public PackLimits Pack { get; init; } = PackLimits.Default;

    /// <summary>Objects of one pack that are checked at once, each group in at most 256 KiB of memory.</summary>
    public int Parallelism { get; init; } = Environment.ProcessorCount;

    /// <summary>Objects of one transaction: each one costs about 250 bytes of memory until the transaction ends.</summary>
    public long ObjectsMax { get; init; } = 2_000_000;
}
