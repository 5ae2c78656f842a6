namespace CvmfsNix.Cluster.Nix.NarInfos;

/// <summary>Names of compressions in narinfo files.</summary>
public static class NarCompression
{
    public const string None = "none";
    public const string Zstd = "zstd";

    /// <summary>What a narinfo without the line means.</summary>
    public const string WhenMissing = "bzip2";

    private static readonly HashSet<string> s_known = new(StringComparer.Ordinal)
    {
        None, "br", "bzip2", "compress", "grzip", "gzip", "lrzip", "lz4", "lzip", "lzma", "lzop", "xz", Zstd,
    };

    /// <summary>Whether stock Nix knows the name.</summary>
    public static bool IsKnown(string name) => s_known.Contains(name);
}
