namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>How a repository is read.</summary>
public sealed record RepositoryReaderOptions
{
    /// <summary>Name the manifest must carry; null takes the manifest's own, which the whitelist must then carry too.</summary>
    public string? ExpectedName { get; init; }

    /// <summary>Clock that whitelists are judged by.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Read the revision of this tag; null reads the newest.</summary>
    public string? Tag { get; init; }

    /// <summary>Folder in which a private folder for unpacked catalogs is made, and removed on disposal; null takes the system's temporary folder.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>Unpacked catalogs kept open while nobody uses them. More cost disk and descriptors, fewer cost downloads.</summary>
    public int OpenCatalogsMax { get; init; } = 32;

    /// <summary>Largest unpacked catalog or tag database whose size is not recorded, in bytes.</summary>
    public long DatabaseBytesMax { get; init; } = 4L * 1024 * 1024 * 1024;
}
