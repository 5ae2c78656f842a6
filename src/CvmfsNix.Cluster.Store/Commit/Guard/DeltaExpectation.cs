using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>
/// What the records of a batch promise of the catalog of the store directory, worked out without the code that writes catalogs. Of fixed
/// size, apart from a few nested catalogs that are picked for a look inside.
/// </summary>
internal sealed class DeltaExpectation(RepositoryFormat format)
{
    /// <summary>Nested catalogs that are read back; the others were checked when they were built, and their names are their digests.</summary>
    public const int NestedReadMax = 16;

    private const long DirectoryMode = 0x4000 | 0b101_101_101;
    private const long FileMode = 0x8000 | 0b100_100_100;
    private const long ExecutableMode = 0x8000 | 0b101_101_101;
    private const long SymlinkMode = 0xA000 | 0b111_111_111;
    private const long DirectorySize = 4096;
    private const long DirectoryFlags = 1;
    private const long MountPointFlags = 3;
    private const long FileFlags = 4;
    private const long SymlinkFlags = 12;
    private const long ChunkedFlag = 64;
    private const int AlgorithmShift = 8;
    private const int CompressionShift = 11;

    private readonly RepositoryPath _storeRoot = format.StoreRoot;
    private readonly List<(RepositoryPath Path, NestedCatalogRecord Record)> _picked = [];
    private long _nested;

    /// <summary>Rows of all three tables.</summary>
    public RowFingerprint Rows { get; } = new();

    /// <summary>Store paths.</summary>
    public long Paths { get; private set; }

    /// <summary>Paths that are directories: as many links the store directory gains.</summary>
    public long Directories { get; private set; }

    /// <summary>Counters of all nested catalogs together.</summary>
    public CatalogCounts NestedTotal { get; private set; } = CatalogCounts.Zero;

    /// <summary>The nested catalogs to be read back: all of a small batch, some of a large one.</summary>
    public IReadOnlyList<(RepositoryPath Path, NestedCatalogRecord Record)> Picked => _picked;

    /// <summary>Adds a path.</summary>
    public void Add(PathRecord record)
    {
        Paths++;
        RepositoryPath path = _storeRoot.Combine(record.Info.Path.Value);
        if (record.Nested is not { } nested)
        {
            if (record.InlineTree!.Kind == TreeNodeKind.Directory)
                Directories++;
            AddTree(record.InlineTree, path);
            return;
        }

        Directories++;
        NestedTotal += nested.Total;
        PathKey key = path.Key;
        Rows.AddEntry(key.High, key.Low, DirectoryMode, DirectorySize, MountPointFlags, [], []);
        Rows.AddNested(path.Bytes.Span, Encoding.ASCII.GetBytes(nested.Hash.ToString()), nested.Size);
        // Each has the same chance, however many come.
        int place = (int)Math.Min(Random.Shared.NextInt64(++_nested), NestedReadMax);
        if (_picked.Count < NestedReadMax)
            _picked.Add((path, nested));
        else if (place < NestedReadMax)
            _picked[place] = (path, nested);
    }

    private void AddTree(TreeNode node, RepositoryPath path)
    {
        PathKey key = path.Key;
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                Rows.AddEntry(key.High, key.Low, DirectoryMode, DirectorySize, DirectoryFlags, [], []);
                foreach (TreeNode child in node.Children)
                    AddTree(child, path.Combine(child.Name.Span));
                break;
            case TreeNodeKind.Symlink:
                Rows.AddEntry(key.High, key.Low, SymlinkMode, node.Target.Length, SymlinkFlags, [], node.Target.Span);
                break;
            default:
                StoredContent content = node.Content!;
                long flags = FileFlags | ((long)AlgorithmCode(format.HashAlgorithm) << AlgorithmShift)
                    | (content.Hash is null ? ChunkedFlag : 0) | (content.Compression == CompressionAlgorithm.None ? 1L << CompressionShift : 0);
                Rows.AddEntry(key.High, key.Low, node.Executable ? ExecutableMode : FileMode, content.Size, flags, content.Hash is { } hash ? hash.ToArray() : [], []);
                foreach (StoredChunk chunk in content.Chunks)
                    Rows.AddChunk(key.High, key.Low, chunk.Offset, chunk.Size, chunk.Hash.ToArray());
                break;
        }
    }

    private static int AlgorithmCode(HashAlgorithmId algorithm) => algorithm switch
    {
        HashAlgorithmId.Sha1 => 0,
        HashAlgorithmId.Rmd160 => 1,
        _ => 2,
    };
}
