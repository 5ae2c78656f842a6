using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Derivations;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.NixDatabases;

/// <summary>Reads the outputs of derivations that are store paths.</summary>
/// <param name="objects">Where their contents are.</param>
/// <param name="treeOf">The tree of a path that has no catalog of its own.</param>
internal sealed class StoredDerivations(IObjectStore objects, Func<StorePathName, TreeNode?> treeOf)
{
    private const long BytesMax = 16L << 20;

    /// <summary>The outputs; none of a path that is no derivation, or whose content is not here.</summary>
    public IReadOnlyList<DerivationOutput> OutputsOf(StorePathName path)
    {
        if (!path.Name.EndsWith(DerivationOutputs.Suffix, StringComparison.Ordinal) || treeOf(path) is not { Kind: TreeNodeKind.Regular, Content: { Size: <= BytesMax } content })
            return [];
        using var text = new MemoryStream();
        ObjectName[] pieces = content.Hash is { } whole ? [new(whole, ObjectKind.Data)] : [.. content.Chunks.Select(c => new ObjectName(c.Hash, ObjectKind.Chunk))];
        foreach (ObjectName piece in pieces)
        {
            using Stream? stored = objects.OpenRead(piece);
            if (stored is null)
                return [];
            using Stream plain = ObjectCompression.OpenDecompressor(stored, content.Compression);
            plain.CopyTo(text);
        }

        return DerivationOutputs.TryRead(text.GetBuffer().AsSpan(0, checked((int)text.Length))) ?? [];
    }
}
