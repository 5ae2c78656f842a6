using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>
/// The rows of our catalogs. Metadata is what Nix normalises to: owner root, modified at second 1, files 0444 or 0555, directories of a
/// store path 0555. The directories around the store paths are 0755; they too keep second 1, whatever changes in them: a directory's
/// row then differs between revisions only by its link count, and no clock decides the bytes of a catalog.
/// </summary>
internal static class CatalogRows
{
    public const uint StoreDirectoryMode = 0x4000 | 0b111_101_101;
    public const long DirectorySize = 4096;

    private const uint PathDirectoryMode = 0x4000 | 0b101_101_101;
    private const uint FileMode = 0x8000 | 0b100_100_100;
    private const uint ExecutableMode = 0x8000 | 0b101_101_101;
    private const uint SymlinkMode = 0xA000 | 0b111_111_111;
    public const long ModifiedAt = 1;

    public static CatalogEntry Directory(RepositoryPath path, int linkCount, CatalogFlags role = 0) =>
        Row(path, StoreDirectoryMode, linkCount, role);

    public static CatalogEntry PathDirectory(RepositoryPath path, int linkCount, CatalogFlags role = 0) =>
        Row(path, PathDirectoryMode, linkCount, role);

    /// <summary>The row that makes a directory a legal catalog root. Hidden, so that a listing shows what was published and nothing else.</summary>
    public static CatalogEntry Marker(RepositoryPath root, HashAlgorithmId algorithm) => new()
    {
        Path = root.Combine(TreeRules.Marker),
        Mode = FileMode,
        ModifiedAt = ModifiedAt,
        Hash = EmptyObject(algorithm).Hash,
        HashAlgorithm = algorithm,
        Flags = CatalogFlags.Hidden,
    };

    public static CatalogEntry Symlink(RepositoryPath path, ReadOnlyMemory<byte> target) => new()
    {
        Path = path,
        Mode = SymlinkMode,
        Size = target.Length,
        ModifiedAt = ModifiedAt,
        SymlinkTarget = target,
    };

    /// <summary>The row of a node of a store path; a directory's children are rows of their own.</summary>
    public static CatalogEntry Of(TreeNode node, RepositoryPath path, HashAlgorithmId algorithm) => node.Kind switch
    {
        TreeNodeKind.Directory => PathDirectory(path, LinkCount(node)),
        TreeNodeKind.Symlink => Symlink(path, node.Target),
        _ => new CatalogEntry
        {
            Path = path,
            Mode = node.Executable ? ExecutableMode : FileMode,
            Size = node.Content!.Size,
            ModifiedAt = ModifiedAt,
            Hash = node.Content.Hash,
            HashAlgorithm = algorithm,
            Compression = node.Content.Compression,
            Chunks = [.. node.Content.Chunks.Select(c => new FileChunk(c.Offset, c.Size, c.Hash))],
        },
    };

    public static int LinkCount(TreeNode directory) => 2 + directory.Children.Count(c => c.Kind == TreeNodeKind.Directory);

    /// <summary>The whole-file object without content, which every marker names.</summary>
    public static ObjectName EmptyObject(HashAlgorithmId algorithm) =>
        new(ObjectHasher.Hash(algorithm, ObjectCompression.Empty), ObjectKind.Data);

    private static CatalogEntry Row(RepositoryPath path, uint mode, int linkCount, CatalogFlags role) => new()
    {
        Path = path,
        Mode = mode,
        Size = DirectorySize,
        ModifiedAt = ModifiedAt,
        LinkCount = linkCount,
        Flags = role,
    };
}
