using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Archives;

/// <summary>
/// Trees of committed paths, read from the catalogs of what the store serves. Nodes of files carry no plaintext digest: catalogs have none.
/// Thread-safe; one reader at a time looks into the catalog of the store directory.
/// </summary>
/// <param name="store">The repository's store.</param>
/// <param name="bring">Tries to bring an object here that is not; null = there is nowhere to bring it from.</param>
public sealed class CommittedTrees(RepositoryStore store, Func<ObjectName, CancellationToken, Task<bool>>? bring = null) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);

    // A committed path never changes, so the catalog of an older revision is as good as the newest for every path that it has.
    private CatalogReader? _catalog;
    private ulong _revision;

    /// <summary>The tree; null when what is served here does not have the path.</summary>
    /// <exception cref="IncompleteStoreException">A catalog is not here.</exception>
    /// <exception cref="ObjectCorruptException">A catalog is damaged.</exception>
    public async Task<TreeNode?> FindAsync(StorePathName path, CancellationToken cancellationToken)
    {
        RepositoryPath at = store.Format.StoreRoot.Combine(path.Value);
        CatalogEntry? entry;
        NestedCatalog? nested = null;
        TreeNode? tree = null;
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            entry = _catalog?.Find(at);
            if (entry is null && await OpenNewestAsync(cancellationToken).ConfigureAwait(false))
                entry = _catalog!.Find(at);
            if (entry is null)
                return null;
            nested = _catalog!.FindNested(at);
            if (nested is null)
                tree = Read(_catalog, entry, root: true);
        }
        finally
        {
            _gate.Release();
        }

        if (nested is null)
            return tree;
        using CatalogReader own = await OpenAsync(nested.Hash, cancellationToken).ConfigureAwait(false);
        return Read(own, own.Find(at) ?? entry, root: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _catalog?.Dispose();
        _gate.Dispose();
    }

    // False: the newest is open already, or nothing is served.
    private async Task<bool> OpenNewestAsync(CancellationToken cancellationToken)
    {
        if (store.Served is not { } manifest || (_catalog is not null && manifest.Revision <= _revision))
            return false;
        NestedCatalog? nested;
        using (CatalogReader root = await OpenAsync(manifest.RootHash, cancellationToken).ConfigureAwait(false))
            nested = root.FindNested(store.Format.StoreRoot);
        if (nested is null)
            return false;
        CatalogReader newest = await OpenAsync(nested.Hash, cancellationToken).ConfigureAwait(false);
        _catalog?.Dispose();
        (_catalog, _revision) = (newest, manifest.Revision);
        return true;
    }

    private async Task<CatalogReader> OpenAsync(ObjectHash hash, CancellationToken cancellationToken)
    {
        var name = new ObjectName(hash, ObjectKind.Catalog);
        using Stream stored = await StoredObjects.OpenAsync(store, name, bring, cancellationToken).ConfigureAwait(false);
        string file = Path.Combine(store.Layout.WorkFolder(store.Format.Repository), $"read-{Guid.NewGuid():N}.sqlite");
        try
        {
            using (Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib))
            using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                await plain.CopyToAsync(copy, cancellationToken).ConfigureAwait(false);
            return CatalogReader.Open(file, deleteOnClose: true);
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    private static TreeNode Read(CatalogReader catalog, CatalogEntry entry, bool root)
    {
        ReadOnlyMemory<byte> name = root ? ReadOnlyMemory<byte>.Empty : entry.Path.Name;
        switch (entry.Type)
        {
            case EntryType.Directory:
                List<TreeNode> children = [];
                foreach (CatalogEntry child in catalog.List(entry.Path))
                {
                    if (!child.IsHidden)
                        children.Add(Read(catalog, child, root: false));
                }

                children.Sort((a, b) => a.Name.Span.SequenceCompareTo(b.Name.Span));
                return new TreeNode { Kind = TreeNodeKind.Directory, Name = name, Children = children };
            case EntryType.Symlink:
                return new TreeNode { Kind = TreeNodeKind.Symlink, Name = name, Target = entry.SymlinkTarget };
            default:
                return new TreeNode
                {
                    Kind = TreeNodeKind.Regular,
                    Name = name,
                    Executable = (entry.Mode & OwnerExecute) != 0,
                    Content = new StoredContent(
                        entry.Size,
                        entry.Compression,
                        entry.Chunks.Count > 0 ? null : entry.Hash,
                        [.. entry.Chunks.Select(c => new StoredChunk(c.Offset, c.Size, c.Hash))]),
                };
        }
    }

    private const uint OwnerExecute = 0x40;
}
