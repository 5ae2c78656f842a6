using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>Reads the rows of a path that has no catalog of its own back into the tree they were made of.</summary>
internal static class InlineTrees
{
    private const uint ExecuteBit = 0b001_000_000;

    /// <summary>The tree below a row. What a catalog does not hold, the plaintext digests of files, is left out.</summary>
    public static TreeNode Read(CatalogWriter catalog, CatalogEntry row, bool isRoot)
    {
        ReadOnlyMemory<byte> name = isRoot ? default : row.Path.Name;
        return row.Type switch
        {
            EntryType.Directory => new TreeNode
            {
                Kind = TreeNodeKind.Directory,
                Name = name,
                Children = [.. catalog.List(row.Path).ToList().Select(child => Read(catalog, child, isRoot: false))],
            },
            EntryType.Symlink => new TreeNode { Kind = TreeNodeKind.Symlink, Name = name, Target = row.SymlinkTarget },
            EntryType.Regular => new TreeNode
            {
                Kind = TreeNodeKind.Regular,
                Name = name,
                Executable = (row.Mode & ExecuteBit) != 0,
                Content = new StoredContent(
                    row.Size, row.Compression, row.Chunks.Count == 0 ? row.Hash : null, [.. row.Chunks.Select(c => new StoredChunk(c.Offset, c.Size, c.Hash))]),
            },
            _ => throw new CatalogFormatException($"{row.Path} is neither a directory nor a file nor a symbolic link."),
        };
    }
}
