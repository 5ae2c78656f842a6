using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>Something that has to come from elsewhere, and what became of asking for it. Touched by one request at a time.</summary>
internal sealed class Wanted(StoreItem item, FetchGroup group)
{
    /// <summary>What.</summary>
    public StoreItem Item { get; } = item;

    /// <summary>Who waits for it.</summary>
    public FetchGroup Group { get; } = group;

    /// <summary>Bytes expected; 0 = unknown.</summary>
    public long Bytes { get; init; }

    /// <summary>An earlier version that is here.</summary>
    public ObjectName? Base { get; set; }

    /// <summary>How it is stored; null = not known yet.</summary>
    public CompressionAlgorithm? Compression { get; init; }

    /// <summary>Nobody minds if no source has it.</summary>
    public bool Optional { get; init; }

    /// <summary>Version of the plan that the two masks below belong to.</summary>
    public int PlanVersion { get; set; } = -1;

    /// <summary>Sources that answered without it, or failed to answer: a bit for each place in the plan.</summary>
    public ulong Asked { get; set; }

    /// <summary>Those of them that failed to answer.</summary>
    public ulong Failed { get; set; }

    /// <summary>Times that bytes came which are not those of its name.</summary>
    public int WrongBytes { get; set; }
}
