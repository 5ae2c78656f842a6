namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>Single-bit flags of a catalog row. The hash-algorithm bits (8 to 10) and compression bits (11 to 13) are not here: they follow from the entry's own properties.</summary>
[Flags]
public enum CatalogFlags
{
    None = 0,
    Directory = 1,

    /// <summary>Row in the parent catalog of a directory that a nested catalog holds.</summary>
    MountPoint = 2,

    /// <summary>Set for regular files, symlinks and specials alike.</summary>
    File = 4,
    Symlink = 8,

    /// <summary>FIFO, socket, character or block device.</summary>
    Special = 16,

    /// <summary>Root row of a nested catalog.</summary>
    NestedRoot = 32,
    Chunked = 64,

    /// <summary>Content lies outside the object store.</summary>
    External = 128,
    BindMountPoint = 0x4000,

    /// <summary>Not listed, yet reachable by name.</summary>
    Hidden = 0x8000,
    DirectIo = 0x10000,
}
