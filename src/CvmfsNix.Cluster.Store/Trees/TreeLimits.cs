namespace CvmfsNix.Cluster.Store.Trees;

/// <summary>Bounds of one store path's tree. All of a tree is in memory while it is verified, about 300 bytes an entry.</summary>
public static class TreeLimits
{
    /// <summary>
    /// Files, directories and links of one path. All of them lie in one nested catalog, and half a million rows are what stock publishers
    /// allow in one: clients load it whole for the first look into the path.
    /// </summary>
    public const int EntriesMax = 500_000;

    /// <summary>Nesting of directories.</summary>
    public const int DepthMax = 256;

    /// <summary>Bytes of a name, as file systems have it.</summary>
    public const int NameBytesMax = 255;

    /// <summary>Bytes of a symbolic link's target, as the kernel has it.</summary>
    public const int TargetBytesMax = 4095;
}
