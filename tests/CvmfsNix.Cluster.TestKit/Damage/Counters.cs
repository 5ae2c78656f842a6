namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>The 24 statistics rows of a catalog.</summary>
public static class Counters
{
    private static readonly string[] Kinds =
    [
        "regular", "symlink", "special", "dir", "nested", "chunked", "chunks", "file_size", "chunked_size", "xattr", "external", "external_file_size",
    ];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> All { get; } = [.. Kinds.Select(k => "self_" + k), .. Kinds.Select(k => "subtree_" + k)];
}
