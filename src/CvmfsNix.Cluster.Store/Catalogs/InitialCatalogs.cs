using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>The catalogs of a repository's first revision: the directories down to an empty store directory.</summary>
internal static class InitialCatalogs
{
    public static async Task<HotCatalogs> StoreAsync(RepositoryFormat format, ObjectBatch batch, ulong revision, DateTimeOffset publishedAt, CancellationToken cancellationToken)
    {
        const int linksOfEmpty = 2;
        RepositoryPath storeRoot = format.StoreRoot;
        var properties = new CatalogProperties { Revision = revision, LastModified = publishedAt.ToUnixTimeSeconds() };

        using var store = CatalogWriter.Create(properties with { RootPrefix = storeRoot });
        store.Insert(CatalogRows.Directory(storeRoot, linksOfEmpty, CatalogFlags.NestedRoot));
        store.Insert(CatalogRows.Marker(storeRoot, format.HashAlgorithm));
        (DeltaObject storeObject, long storeSize) = await AddAsync(store).ConfigureAwait(false);

        using var root = CatalogWriter.Create(properties with { TtlSeconds = format.TtlSeconds });
        foreach (RepositoryPath directory in Above(storeRoot))
            root.Insert(CatalogRows.Directory(directory, linksOfEmpty + 1));
        root.Insert(CatalogRows.Directory(storeRoot, linksOfEmpty, CatalogFlags.MountPoint));
        root.SetNested(new NestedCatalog(storeRoot, storeObject.Name.Hash, storeSize));
        root.SetSubtree(store.Statistics.Total);
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
