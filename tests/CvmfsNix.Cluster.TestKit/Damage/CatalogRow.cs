namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>A row of a catalog, as numbers.</summary>
/// <param name="Path">Full path; the row's name is what follows the last slash.</param>
/// <param name="Mode">With the bits of the file type.</param>
/// <param name="Flags">The flags column.</param>
internal sealed record CatalogRow(string Path, int Mode, int Flags)
{
    public int Links { get; init; } = 1;

    public int Group { get; init; }

    public long Size { get; init; }

    /// <summary>Hash as hex digits, without the algorithm's id.</summary>
    public string? Hash { get; init; }

    public string Symlink { get; init; } = "";

    public byte[]? Xattr { get; init; }

    public (int Offset, int Size, string Hash)[] Chunks { get; init; } = [];
}
