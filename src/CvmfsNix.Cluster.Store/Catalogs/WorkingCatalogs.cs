using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>The root catalog and the catalog of the store directory, of one known revision, ready to become the next.</summary>
internal sealed class WorkingCatalogs : IDisposable
{
    private readonly RepositoryFormat _format;
    private readonly RepositoryPath _storeRoot;
    private readonly WorkingCatalog _root;
    private readonly WorkingCatalog _store;
    private CatalogCounts _nestedBelowStore;
    private int _storeLinkCount;

    private WorkingCatalogs(RepositoryFormat format, WorkingCatalog root, WorkingCatalog store, ObjectHash rootHash, ObjectHash storeHash)
    {
        _format = format;
        _storeRoot = format.StoreRoot;
        _root = root;
        _store = store;
        RootHash = rootHash;
        StoreHash = storeHash;
        _nestedBelowStore = store.Writer.Statistics.Subtree;
        _storeLinkCount = Row(store.Writer, _storeRoot).LinkCount;
    }

    /// <summary>The stored root catalog that the working copy equals.</summary>
    public ObjectHash RootHash { get; private set; }

    /// <summary>The stored catalog of the store directory that the working copy equals.</summary>
    public ObjectHash StoreHash { get; private set; }

    /// <summary>Unpacks both catalogs of a head into <paramref name="folder"/>.</summary>
    /// <returns>Null when the store lacks one of them.</returns>
    public static async Task<WorkingCatalogs?> OpenAsync(IObjectStore objects, RepositoryFormat format, ObjectHash root, ObjectHash store, string folder, CancellationToken cancellationToken)
    {
        WorkingCatalog? rootCopy = await WorkingCatalog.OpenAsync(objects, root, Path.Combine(folder, "root.sqlite"), cancellationToken).ConfigureAwait(false);
        if (rootCopy is null)
            return null;
        try
        {
            WorkingCatalog? storeCopy = await WorkingCatalog.OpenAsync(objects, store, Path.Combine(folder, "store.sqlite"), cancellationToken).ConfigureAwait(false);
            if (storeCopy is not null)
                return new WorkingCatalogs(format, rootCopy, storeCopy, root, store);
        }
        catch
        {
            rootCopy.Dispose();
            throw;
        }

        rootCopy.Dispose();
        return null;
    }

    /// <summary>The file of the store directory's catalog; whole whenever no edits are open.</summary>
    public string StoreFile => _store.File;

    /// <summary>For tests: gets the file of each catalog after its edits, before it is stored.</summary>
    public Action<string>? BeforeStored
    {
        set => _root.BeforeStored = _store.BeforeStored = value;
    }

    /// <summary>Compresses both as they stand, so that storing the next revision compresses what it changes.</summary>
    public void Warm()
    {
        _root.Warm();
        _store.Warm();
    }

    /// <summary>Starts the edits of a revision.</summary>
    public void Begin()
    {
        _root.Writer.Begin();
        _store.Writer.Begin();
    }

    /// <summary>Ends edits that changed nothing.</summary>
    public void Cancel()
    {
        _root.Writer.Rollback();
        _store.Writer.Rollback();
    }

    /// <summary>Adds a store path.</summary>
    public void AddPath(PathRecord record)
    {
        RepositoryPath path = _storeRoot.Combine(record.Info.Path.Value);
        if (record.Nested is { } nested)
        {
            _store.Writer.Insert(CatalogRows.PathDirectory(path, nested.LinkCount, CatalogFlags.MountPoint));
            _store.Writer.SetNested(new NestedCatalog(path, nested.Hash, nested.Size));
            _nestedBelowStore += nested.Total;
            _storeLinkCount++;
            return;
        }

        TreeInserter.Insert(_store.Writer, record.InlineTree!, path, _format.HashAlgorithm);
        if (record.InlineTree!.Kind == Trees.TreeNodeKind.Directory)
            _storeLinkCount++;
    }

    /// <summary>Removes a store path's rows.</summary>
    /// <param name="path">The path.</param>
    /// <param name="nested">Counters of its nested catalog; null when it has none.</param>
    public void RemovePath(RepositoryPath path, CatalogCounts? nested)
    {
        CatalogEntry row = Row(_store.Writer, path);
        if (nested is not null)
        {
            if (!_store.Writer.RemoveNested(path))
                throw new CatalogFormatException($"The working catalog registers no catalog at {path}.");
            _store.Writer.Remove(path);
            _nestedBelowStore -= nested;
            _storeLinkCount--;
            return;
        }

        RemoveTree(path, row);
        if (row.Type == EntryType.Directory)
            _storeLinkCount--;
    }

    /// <summary>The rows of an inlined path as a tree; null when the path has a catalog of its own.</summary>
    public TreeNode? ReadInline(RepositoryPath path) =>
        _store.Writer.FindNested(path) is null ? InlineTrees.Read(_store.Writer, Row(_store.Writer, path), isRoot: true) : null;

    /// <summary>The catalog of its own that a path has, or null.</summary>
    public NestedCatalog? FindNested(RepositoryPath path) => _store.Writer.FindNested(path);

    /// <summary>Whether there is a row of the path.</summary>
    public bool Contains(RepositoryPath path) => _store.Writer.Contains(path);

    /// <summary>The row of a path that is outside the store directory, or null.</summary>
    public CatalogEntry? FindInRoot(RepositoryPath path) => _root.Writer.Find(path);

    /// <summary>Adds or replaces the row of a file outside the store directory; its folder is there.</summary>
    public void SetInRoot(CatalogEntry file) => _root.Writer.Replace(file);

    /// <summary>Every generation of every profile, and whether its profile is at it.</summary>
    public IReadOnlyList<(ProfileGeneration Generation, bool Current)> Generations() =>
        [.. ProfileLinks.Generations(_root.Writer, _format).Select(g => (g, ProfileLinks.Current(_root.Writer, _format, g.Profile) == g.Generation))];

    /// <summary>Removes a generation; a profile that was at it goes back to the newest that is left.</summary>
    public void RemoveGeneration(ProfileGeneration generation) => ProfileLinks.Remove(_root.Writer, _format, generation);

    private void RemoveTree(RepositoryPath path, CatalogEntry row)
    {
        if (row.Type == EntryType.Directory)
        {
            foreach (CatalogEntry child in _store.Writer.List(path).ToList())
                RemoveTree(child.Path, child);
        }

        _store.Writer.Remove(path);
    }

    /// <summary>Points a profile at a store path; null when it leads there already.</summary>
    public ProfileGeneration? SetProfile(string profile, StorePathName target) => ProfileLinks.Set(_root.Writer, _format, profile, target);

    /// <summary>Ends the edits and adds both catalogs to a batch; <paramref name="compact"/>: what removed rows took is given back when it is much. The working copies then equal what is stored under the new names.</summary>
    public async Task<HotCatalogs> StoreAsync(ObjectBatch batch, ulong revision, DateTimeOffset publishedAt, CancellationToken cancellationToken, bool compact = false)
    {
        long lastModified = publishedAt.ToUnixTimeSeconds();
        _store.Writer.Replace(Row(_store.Writer, _storeRoot) with { LinkCount = _storeLinkCount });
        _store.Writer.SetSubtree(_nestedBelowStore);
        _store.Writer.SetProperties(_store.Writer.Properties with { Revision = revision, LastModified = lastModified });
        _store.Writer.Commit();
        if (compact)
            _store.Writer.CompactIfSparse();
        (DeltaObject store, long storeSize) = await _store.StoreAsync(batch, cancellationToken).ConfigureAwait(false);

        _root.Writer.Replace(Row(_root.Writer, _storeRoot) with { LinkCount = _storeLinkCount });
        _root.Writer.SetNested(new NestedCatalog(_storeRoot, store.Name.Hash, storeSize));
        _root.Writer.SetSubtree(_store.Writer.Statistics.Total);
        _root.Writer.SetProperties(_root.Writer.Properties with { Revision = revision, LastModified = lastModified, TtlSeconds = _format.TtlSeconds });
        _root.Writer.Commit();
        (DeltaObject root, long rootSize) = await _root.StoreAsync(batch, cancellationToken).ConfigureAwait(false);

        RootHash = root.Name.Hash;
        StoreHash = store.Name.Hash;
        return new HotCatalogs(root, rootSize, store, storeSize);
    }

    public void Dispose()
    {
        _root.Dispose();
        _store.Dispose();
    }

    private static CatalogEntry Row(CatalogWriter catalog, RepositoryPath path) =>
        catalog.Find(path) ?? throw new CatalogFormatException($"The working catalog has no row of {path}.");
}

/// <summary>The two catalogs of a revision that were stored with it.</summary>
internal sealed record HotCatalogs(DeltaObject Root, long RootSize, DeltaObject Store, long StoreSize);
