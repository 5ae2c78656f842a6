using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.NixDatabases;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>The catalogs of a repository's first revision: the directories down to an empty store directory, and what Nix expects beside it.</summary>
internal static class InitialCatalogs
{
    /// <param name="format">The repository.</param>
    /// <param name="batch">Gets them.</param>
    /// <param name="revision">Its number.</param>
    /// <param name="publishedAt">Its time.</param>
    /// <param name="files">Files outside the store directory, with the folders they need.</param>
    /// <param name="folders">More folders, empty ones.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<HotCatalogs> StoreAsync(
        RepositoryFormat format,
        ObjectBatch batch,
        ulong revision,
        DateTimeOffset publishedAt,
        IReadOnlyList<CatalogEntry> files,
        IEnumerable<RepositoryPath> folders,
        CancellationToken cancellationToken)
    {
        int linksOfEmpty = format.HasNixDatabase ? 3 : 2;
        RepositoryPath storeRoot = format.StoreRoot;
        var properties = new CatalogProperties { Revision = revision, LastModified = publishedAt.ToUnixTimeSeconds() };

        using var store = CatalogWriter.Create(properties with { RootPrefix = storeRoot });
        store.Insert(CatalogRows.Directory(storeRoot, linksOfEmpty, CatalogFlags.NestedRoot));
        store.Insert(CatalogRows.Marker(storeRoot, format.HashAlgorithm));
        if (format.HasNixDatabase)
            store.Insert(CatalogRows.Directory(storeRoot.Combine(NixDatabaseTree.Links), 2));
        (DeltaObject storeObject, long storeSize) = await AddAsync(store).ConfigureAwait(false);

        using var root = CatalogWriter.Create(properties with { TtlSeconds = format.TtlSeconds });
        foreach (RepositoryPath directory in Above(storeRoot))
            root.Insert(CatalogRows.Directory(directory, 3));
        root.Insert(CatalogRows.Directory(storeRoot, linksOfEmpty, CatalogFlags.MountPoint));
        root.SetNested(new NestedCatalog(storeRoot, storeObject.Name.Hash, storeSize));
        root.SetSubtree(store.Statistics.Total);
        foreach (RepositoryPath folder in folders.Concat(files.Select(f => f.Path.Parent)))
            ProfileLinks.EnsureDirectory(root, folder);
        foreach (CatalogEntry file in files)
            root.Insert(file);
        (DeltaObject rootObject, long rootSize) = await AddAsync(root).ConfigureAwait(false);
        return new HotCatalogs(rootObject, rootSize, storeObject, storeSize);

        async Task<(DeltaObject Object, long Size)> AddAsync(CatalogWriter catalog)
        {
            byte[] file = catalog.ToBytes();
            byte[] stored = ObjectCompression.Compress(file, CompressionLevel.Optimal);
            ObjectName name = await batch.AddAsync(ObjectKind.Catalog, stored, cancellationToken).ConfigureAwait(false);
            return (new DeltaObject(name, stored.Length), file.Length);
        }
    }

    // From the root downwards: the root row is a catalog's first.
    private static Stack<RepositoryPath> Above(RepositoryPath path)
    {
        var above = new Stack<RepositoryPath>();
        while (!path.IsRoot)
        {
            path = path.Parent;
            above.Push(path);
        }

        return above;
    }
}
