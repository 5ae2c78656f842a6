using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>What checking one catalog brought to light that others need.</summary>
public sealed record CatalogSummary
{
    /// <summary>Property <c>revision</c>, or null where it is bad.</summary>
    public ulong? Revision { get; init; }

    /// <summary>Property <c>last_modified</c> in Unix seconds; 0 where absent.</summary>
    public long LastModified { get; init; }

    /// <summary>Property <c>TTL</c> in seconds, or null.</summary>
    public long? TtlSeconds { get; init; }

    /// <summary>Property <c>previous_revision</c>, or null.</summary>
    public ObjectHash? PreviousRevision { get; init; }

    /// <summary>Rows of the catalog table.</summary>
    public long Entries { get; init; }

    /// <summary>The row of the directory it is mounted at, or null where there is none.</summary>
    public TransitionRow? RootRow { get; init; }

    /// <summary>True when the root row's link count is not what its sub-directories make it, which was reported.</summary>
    public bool RootLinkCountIsWrong { get; init; }

    /// <summary>True when something was reported about the root row itself; comparing it with the parent's row would say it again.</summary>
    public bool RootRowIsReported { get; init; }

    /// <summary>The stored <c>self_</c> counters, or null where they are not all there.</summary>
    public CounterSet? Self { get; init; }

    /// <summary>The stored <c>subtree_</c> counters, or null where they are not all there.</summary>
    public CounterSet? Subtree { get; init; }

    /// <summary>The twelve counters counted from the rows.</summary>
    public CounterSet Counted { get; init; } = CounterSet.Zero;

    /// <summary>Registered nested catalogs with good path, hash and transition row, by path.</summary>
    public IReadOnlyList<NestedReference> Nested { get; init; } = [];

    /// <summary>True when all registered nested catalogs are in <see cref="Nested"/>; else their counters cannot be summed up.</summary>
    public bool NestedAreComplete { get; init; }
}

/// <summary>A nested catalog and its transition row in the parent.</summary>
/// <param name="Path">Where it is mounted.</param>
/// <param name="Hash">Its object.</param>
/// <param name="Size">Inflated bytes as registered; 0 says nothing.</param>
/// <param name="Row">The parent's row.</param>
/// <param name="RowIsReported">True when something was reported about that row itself.</param>
public sealed record NestedReference(RepositoryPath Path, ObjectHash Hash, long Size, TransitionRow Row, bool RowIsReported);
