namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>The twelve counters of a catalog; sizes in bytes.</summary>
public sealed record CatalogCounts
{
    /// <summary>All zero.</summary>
    public static readonly CatalogCounts Zero = new();

    /// <summary>Regular files, whole, chunked or external, each hard link by itself.</summary>
    public long Regular { get; init; }

    public long Symlink { get; init; }

    public long Special { get; init; }

    /// <summary>Directories, a catalog's own root included.</summary>
    public long Directory { get; init; }

    /// <summary>Registered nested catalogs.</summary>
    public long Nested { get; init; }

    public long Chunked { get; init; }

    /// <summary>Chunk rows.</summary>
    public long Chunks { get; init; }

    /// <summary>Size of all regular files.</summary>
    public long FileSize { get; init; }

    /// <summary>Size of all chunked files.</summary>
    public long ChunkedSize { get; init; }

    /// <summary>Rows with extended attributes.</summary>
    public long Xattr { get; init; }

    public long External { get; init; }

    public long ExternalFileSize { get; init; }

    /// <summary>Rows of the catalog table.</summary>
    public long Entries => Regular + Symlink + Special + Directory;

    public static CatalogCounts operator +(CatalogCounts left, CatalogCounts right) => Join(left, right, 1);

    public static CatalogCounts operator -(CatalogCounts left, CatalogCounts right) => Join(left, right, -1);

    /// <summary>Same as the operator.</summary>
    public CatalogCounts Add(CatalogCounts other) => this + other;

    /// <summary>Same as the operator.</summary>
    public CatalogCounts Subtract(CatalogCounts other) => this - other;

    /// <summary>Counts that one entry adds to its catalog.</summary>
    public static CatalogCounts Of(CatalogEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var type = entry.Type;
        return OfRow(type, entry.Size, (CatalogFlags)entry.StoredFlags, entry.Xattrs is not null, entry.Chunks.Count);
    }

    internal static CatalogCounts OfRow(EntryType type, long size, CatalogFlags flags, bool hasXattrs, long chunks)
    {
        var regular = type == EntryType.Regular;
        var chunked = regular && flags.HasFlag(CatalogFlags.Chunked);
        var external = regular && flags.HasFlag(CatalogFlags.External);
        return new CatalogCounts
        {
            Regular = regular ? 1 : 0,
            Symlink = type == EntryType.Symlink ? 1 : 0,
            Special = type == EntryType.Special ? 1 : 0,
            Directory = type == EntryType.Directory ? 1 : 0,
            Chunked = chunked ? 1 : 0,
            Chunks = chunks,
            FileSize = regular ? size : 0,
            ChunkedSize = chunked ? size : 0,
            Xattr = hasXattrs ? 1 : 0,
            External = external ? 1 : 0,
            ExternalFileSize = external ? size : 0,
        };
    }

    private static CatalogCounts Join(CatalogCounts a, CatalogCounts b, long sign) => new()
    {
        Regular = a.Regular + sign * b.Regular,
        Symlink = a.Symlink + sign * b.Symlink,
        Special = a.Special + sign * b.Special,
        Directory = a.Directory + sign * b.Directory,
        Nested = a.Nested + sign * b.Nested,
        Chunked = a.Chunked + sign * b.Chunked,
        Chunks = a.Chunks + sign * b.Chunks,
        FileSize = a.FileSize + sign * b.FileSize,
        ChunkedSize = a.ChunkedSize + sign * b.ChunkedSize,
        Xattr = a.Xattr + sign * b.Xattr,
        External = a.External + sign * b.External,
        ExternalFileSize = a.ExternalFileSize + sign * b.ExternalFileSize,
    };
}
