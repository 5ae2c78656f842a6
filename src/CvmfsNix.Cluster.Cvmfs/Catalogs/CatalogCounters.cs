namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>Names of the 24 statistics rows: a prefix and twelve counters.</summary>
internal static class CatalogCounters
{
    public const string Self = "self_";
    public const string Subtree = "subtree_";

    public static CatalogCounts Read(Func<string, long> value, string prefix) => new()
    {
        Regular = value(prefix + "regular"),
        Symlink = value(prefix + "symlink"),
        Special = value(prefix + "special"),
        Directory = value(prefix + "dir"),
        Nested = value(prefix + "nested"),
        Chunked = value(prefix + "chunked"),
        Chunks = value(prefix + "chunks"),
        FileSize = value(prefix + "file_size"),
        ChunkedSize = value(prefix + "chunked_size"),
        Xattr = value(prefix + "xattr"),
        External = value(prefix + "external"),
        ExternalFileSize = value(prefix + "external_file_size"),
    };

    /// <summary>Rows in a fixed order.</summary>
    public static IEnumerable<(string Counter, long Value)> Rows(CatalogStatistics statistics)
    {
        foreach (var (prefix, counts) in new[] { (Self, statistics.Self), (Subtree, statistics.Subtree) })
        {
            yield return (prefix + "regular", counts.Regular);
            yield return (prefix + "symlink", counts.Symlink);
            yield return (prefix + "special", counts.Special);
            yield return (prefix + "dir", counts.Directory);
            yield return (prefix + "nested", counts.Nested);
            yield return (prefix + "chunked", counts.Chunked);
            yield return (prefix + "chunks", counts.Chunks);
            yield return (prefix + "file_size", counts.FileSize);
            yield return (prefix + "chunked_size", counts.ChunkedSize);
            yield return (prefix + "xattr", counts.Xattr);
            yield return (prefix + "external", counts.External);
            yield return (prefix + "external_file_size", counts.ExternalFileSize);
        }
    }
}
