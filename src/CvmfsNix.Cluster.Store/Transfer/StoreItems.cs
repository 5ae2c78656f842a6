using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>What a transaction and a revision consist of in the store.</summary>
public static class StoreItems
{
    private const int RememberedMax = 1 << 17;

    /// <summary>
    /// The bundle of a transaction and every object that its paths need, whoever brought it. Read as it is enumerated; in a very large bundle an
    /// object may come again.
    /// </summary>
    /// <exception cref="IncompleteStoreException">The bundle is not here.</exception>
    /// <exception cref="RecordFormatException">The bundle is torn.</exception>
    public static IEnumerable<StoreItem> OfBundle(RepositoryStore store, string bundleDigest)
    {
        ArgumentNullException.ThrowIfNull(store);
        yield return StoreItem.OfBlob(bundleDigest);
        Stream file = store.Blobs.OpenRead(bundleDigest) ?? throw new IncompleteStoreException(store.Format.Repository, "a transaction", [bundleDigest]);
        using var bundle = new BundleReader(file, store.Format.HashAlgorithm, bundleDigest);
        var seen = new HashSet<ObjectName>();
        foreach (PathRecord path in bundle.Paths())
        {
            foreach (DeltaObject o in path.Objects)
            {
                if (seen.Count >= RememberedMax)
                    seen.Clear();
                if (seen.Add(o.Name))
                    yield return StoreItem.Of(o.Name);
            }
        }
    }

    /// <summary>
    /// What the making of a revision added to the store: its own catalogs, tag database and record files; with the first one also what every
    /// revision names.
    /// </summary>
    public static IReadOnlyCollection<StoreItem> OfCommit(RepositoryStore store, CommittedRevision revision)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(revision);
        StoreItem[] made = [.. HotObjects(revision.Head).Concat(revision.Made).Select(StoreItem.Of), .. OfRecords(revision)];
        return revision.Head.Previous is not null
            ? made
            : [.. made, StoreItem.Of(new ObjectName(store.Format.Certificate, ObjectKind.Certificate)), StoreItem.Of(CatalogRows.EmptyObject(store.Format.HashAlgorithm))];
    }

    /// <summary>The record files of a revision.</summary>
    public static IReadOnlyList<StoreItem> OfRecords(CommittedRevision revision)
    {
        ArgumentNullException.ThrowIfNull(revision);
        return [StoreItem.OfBlob(revision.PathInfoDigest), StoreItem.OfBlob(revision.DeltaDigest)];
    }

    /// <summary>The objects of a revision's delta list; those it shares with no later revision only if <paramref name="withHot"/>.</summary>
    /// <exception cref="IncompleteStoreException">The list is not here.</exception>
    /// <exception cref="RecordFormatException">The list is torn.</exception>
    public static IEnumerable<StoreItem> OfDelta(RepositoryStore store, CommittedRevision revision, bool withHot)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(revision);
        Stream file = store.Blobs.OpenRead(revision.DeltaDigest)
            ?? throw new IncompleteStoreException(store.Format.Repository, $"revision {revision.Head.Revision}", [revision.DeltaDigest]);
        HashSet<ObjectName> left = withHot ? [] : [.. HotObjects(revision.Head)];
        return DeltaFile.ReadObjects(file, revision.DeltaDigest).Where(o => !left.Contains(o.Name)).Select(o => StoreItem.Of(o.Name));
    }

    /// <summary>Root catalog, catalog of the store directory and tag database: superseded by the next revision and collected some time after it.</summary>
    public static IReadOnlyList<ObjectName> HotObjects(RepositoryHead head)
    {
        ArgumentNullException.ThrowIfNull(head);
        return [new(head.RootHash, ObjectKind.Catalog), new(head.StoreCatalog, ObjectKind.Catalog), new(head.History, ObjectKind.History)];
    }
}
