namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>What an entry is, by the type bits of its mode.</summary>
public enum EntryType
{
    Directory,
    Regular,
    Symlink,

    /// <summary>FIFO, socket, character or block device.</summary>
    Special,
}

/// <summary>Type bits of <c>st_mode</c>.</summary>
internal static class ModeBits
{
    public const uint TypeMask = 0xF000;
    public const uint Fifo = 0x1000;
    public const uint CharacterDevice = 0x2000;
    public const uint Directory = 0x4000;
    public const uint BlockDevice = 0x6000;
    public const uint Regular = 0x8000;
    public const uint Symlink = 0xA000;
    public const uint Socket = 0xC000;

    /// <summary>The type, or null where the bits name none.</summary>
    public static EntryType? TypeOf(uint mode) => (mode & TypeMask) switch
    {
        Directory => EntryType.Directory,
        Regular => EntryType.Regular,
        Symlink => EntryType.Symlink,
        Fifo or CharacterDevice or BlockDevice or Socket => EntryType.Special,
        _ => null,
    };
}
