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
    public static ObjectName? NestedIn(IObjectStore objects, ObjectName catalog, RepositoryPath path, string scratch)
    {
        using Stream? stored = objects.OpenRead(catalog);
        if (stored is null)
            return null;
        string file = Path.Combine(scratch, $"look-{Guid.NewGuid():N}.sqlite");
        try
        {
            using (Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib))
            using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                plain.CopyTo(copy);
            using CatalogReader reader = CatalogReader.Open(file);
            return reader.FindNested(path) is { } nested ? new ObjectName(nested.Hash, ObjectKind.Catalog) : null;
        }
        finally
        {
            File.Delete(file);
        }
    }
}
