using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>The nested catalog of one store path, with what its parent must say of it.</summary>
/// <param name="Hash">Of the stored catalog object.</param>
/// <param name="Size">Bytes of the inflated SQLite file.</param>
/// <param name="Total">Its own counters; it has no catalogs below it.</param>
/// <param name="LinkCount">Link count of its root directory.</param>
public sealed record NestedCatalogRecord(ObjectHash Hash, long Size, CatalogCounts Total, int LinkCount);

/// <summary>
/// A verified store path, ready to be committed: its registration, and its tree either as a nested catalog or, when it is small,
/// as the nodes to be written into the catalog of the store directory.
/// </summary>
public sealed record PathRecord
{
    /// <summary>What Nix says of the path; verified as far as the tree can tell.</summary>
    public required PathInfo Info { get; init; }

    /// <summary>The nested catalog; null when the tree is inlined.</summary>
    public NestedCatalogRecord? Nested { get; init; }

    /// <summary>The tree of an inlined path; null when it has a nested catalog.</summary>
    public TreeNode? InlineTree { get; init; }

    /// <summary>Every object the path needs, its nested catalog included, each once.</summary>
    public IReadOnlyList<DeltaObject> Objects { get; init; } = [];

    /// <summary>Every file content of the path, each once.</summary>
    public IReadOnlyList<DeltaContent> Contents { get; init; } = [];
}
