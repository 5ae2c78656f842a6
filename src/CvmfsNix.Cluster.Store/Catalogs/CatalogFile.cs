using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>Looks into a stored catalog.</summary>
internal static class CatalogFile
{
    /// <summary>The nested catalog that <paramref name="catalog"/> registers at a path; null when it or the registration is not there.</summary>
    /// <param name="objects">Where the catalog is.</param>
    /// <param name="catalog">A catalog object.</param>
    /// <param name="path">The transition point.</param>
    /// <param name="scratch">Folder for the unpacked file, which is removed.</param>
    public static ObjectName? NestedIn(IObjectStore objects, ObjectName catalog, RepositoryPath path, string scratch) =>
        Look(objects, catalog, scratch, reader => reader.FindNested(path) is { } nested ? (ObjectName?)new ObjectName(nested.Hash, ObjectKind.Catalog) : null);

    /// <summary>Every nested catalog that <paramref name="catalog"/> registers; none when it is not there.</summary>
    /// <inheritdoc cref="NestedIn"/>
    public static IReadOnlyList<ObjectName> AllNestedIn(IObjectStore objects, ObjectName catalog, string scratch) =>
        Look<IReadOnlyList<ObjectName>>(objects, catalog, scratch, reader => [.. reader.Nested().Select(n => new ObjectName(n.Hash, ObjectKind.Catalog))]) ?? [];

    /// <summary>A store path's catalog: its counters, the link count of its root, and every object it names once; null when it is not there.</summary>
    /// <param name="objects">Where the catalog is.</param>
    /// <param name="catalog">A catalog object.</param>
    /// <param name="root">Where it is mounted.</param>
    /// <param name="scratch">Folder for the unpacked file, which is removed.</param>
    public static (CatalogCounts Total, int LinkCount, List<ObjectName> Names)? Summary(IObjectStore objects, ObjectName catalog, RepositoryPath root, string scratch) =>
        Look<(CatalogCounts, int, List<ObjectName>)?>(
            objects,
            catalog,
            scratch,
            reader => (
                reader.Statistics.Self + reader.Statistics.Subtree,
                (reader.Find(root) ?? throw new CatalogFormatException($"{catalog} has no row of {root}.")).LinkCount,
                reader.References().Select(r => r.Name).Distinct().ToList()));

    /// <summary>Whether <paramref name="catalog"/> has a row of a path; false where it is not there.</summary>
    /// <inheritdoc cref="NestedIn"/>
    public static bool Has(IObjectStore objects, ObjectName catalog, RepositoryPath path, string scratch) => Look<bool?>(objects, catalog, scratch, reader => reader.Find(path) is not null) ?? false;

    /// <summary>Every object that a catalog names, nested catalogs included; null when it is not there.</summary>
    /// <inheritdoc cref="NestedIn"/>
    public static IReadOnlyList<ObjectName>? ReferencesIn(IObjectStore objects, ObjectName catalog, string scratch) =>
        Look<IReadOnlyList<ObjectName>>(objects, catalog, scratch, reader => [.. reader.References().Select(r => r.Name).Distinct()]);

    private static T? Look<T>(IObjectStore objects, ObjectName catalog, string scratch, Func<CatalogReader, T?> question)
    {
        using Stream? stored = objects.OpenRead(catalog);
        if (stored is null)
            return default;
        string file = Path.Combine(scratch, $"look-{Guid.NewGuid():N}.sqlite");
        try
        {
            using (Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib))
            using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                plain.CopyTo(copy);
            using CatalogReader reader = CatalogReader.Open(file);
            return question(reader);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
