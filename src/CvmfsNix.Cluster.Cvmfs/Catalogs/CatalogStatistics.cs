namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>Counters of a catalog and of everything nested below it.</summary>
/// <param name="Self">This catalog alone.</param>
/// <param name="Subtree">All descendants, this catalog excluded: the sum of the <see cref="Total"/> of its own nested catalogs.</param>
public sealed record CatalogStatistics(CatalogCounts Self, CatalogCounts Subtree)
{
    /// <summary>What a parent's subtree counters get from this catalog.</summary>
    public CatalogCounts Total => Self + Subtree;
}
