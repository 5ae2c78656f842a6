using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>A path ready for its bundle, and the one object that is to be stored first.</summary>
/// <param name="Record">What the bundle keeps.</param>
/// <param name="StoredCatalog">The stored bytes of the nested catalog that <paramref name="Record"/> names; null when the path is inlined.</param>
public sealed record BuiltPath(PathRecord Record, ReadOnlyMemory<byte>? StoredCatalog);

/// <summary>
/// Turns a verified path into its record: a nested catalog when it has enough entries, else its nodes. A pure function of path and tree:
/// no clock, no revision. The same tree at the same path is the same object, whoever builds it.
/// </summary>
/// <param name="format">Where the store lies, and from how many entries on a path gets a catalog.</param>
public sealed class PathCatalogBuilder(RepositoryFormat format)
{
    // What is constant cannot make two builds of one tree differ; nobody compares these two numbers of a nested catalog.
    private const ulong ConstantRevision = 1;
    private const long ConstantModifiedAt = 1;

    private readonly RepositoryPath _storeRoot = format.StoreRoot;

    /// <summary>Builds the record. CPU-bound; thread-safe. The caller stores the catalog's bytes before it seals the record.</summary>
    public BuiltPath Build(VerifiedPath path)
    {
        ArgumentNullException.ThrowIfNull(path);
        TreeNode root = path.Upload.Root;
        DeltaContent[] contents =
        [
            .. PathObjects.FilesOf(root).Select(f => new DeltaContent(f.Digest, f.Content!)).DistinctBy(c => c.Digest),
        ];
        if (!NeedsCatalog(root))
        {
            var inline = new PathRecord { Info = path.Upload.Info, InlineTree = root, Objects = path.Objects, Contents = contents };
            return new BuiltPath(inline, null);
        }

        RepositoryPath at = _storeRoot.Combine(path.Upload.Info.Path.Value);
        using var catalog = CatalogWriter.Create(new CatalogProperties
        {
            Revision = ConstantRevision,
            LastModified = ConstantModifiedAt,
            RootPrefix = at,
        });
        catalog.Begin();
        catalog.Insert(CatalogRows.PathDirectory(at, CatalogRows.LinkCount(root), CatalogFlags.NestedRoot));
        bool ownMarker = root.Children.Any(c => c.Name.Span.SequenceEqual(TreeRules.Marker));
        if (!ownMarker)
            catalog.Insert(CatalogRows.Marker(at, format.HashAlgorithm));
        TreeInserter.InsertChildren(catalog, root, at, format.HashAlgorithm);
        catalog.Commit();

        byte[] file = catalog.ToBytes();
        byte[] stored = ObjectCompression.Compress(file);
        ObjectHash hash = ObjectHasher.Hash(format.HashAlgorithm, stored);
        List<DeltaObject> objects = [.. path.Objects];
        ObjectName empty = CatalogRows.EmptyObject(format.HashAlgorithm);
        if (!ownMarker && objects.All(o => o.Name != empty))
            objects.Add(new DeltaObject(empty, ObjectCompression.Empty.Length));
        objects.Add(new DeltaObject(new ObjectName(hash, ObjectKind.Catalog), stored.Length));
        return new BuiltPath(
            new PathRecord
            {
                Info = path.Upload.Info,
                Nested = new NestedCatalogRecord(hash, file.Length, catalog.Statistics.Self, CatalogRows.LinkCount(root)),
                Objects = objects,
                Contents = contents,
            },
            stored);
    }

    // A path with a marker of its own must have a catalog of its own: inlined, the marker would lie in a directory that is no catalog root.
    private bool NeedsCatalog(TreeNode root) =>
        root.Kind == TreeNodeKind.Directory
        && (root.Children.Any(c => c.Name.Span.SequenceEqual(TreeRules.Marker)) || HasEntries(root, format.NestedMinEntries));

    private static bool HasEntries(TreeNode root, int wanted)
    {
        int found = 0;
        var open = new Stack<TreeNode>();
        open.Push(root);
        while (found < wanted && open.TryPop(out TreeNode? node))
        {
            found++;
            foreach (TreeNode child in node.Children)
                open.Push(child);
        }

        return found >= wanted;
    }
}
