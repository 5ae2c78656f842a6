using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Recovery.Objects;

/// <summary>What a stored catalog names.</summary>
internal static class CatalogObjects
{
    /// <summary>Every object named by the rows of a catalog.</summary>
    /// <param name="stored">The stored, compressed catalog.</param>
    /// <param name="scratchFolder">Where it is unpacked for the moment.</param>
    /// <exception cref="RecoveryException">StoreDamaged.</exception>
    public static IReadOnlyCollection<ObjectName> In(string stored, string scratchFolder)
    {
        string file = Path.Combine(scratchFolder, $"catalog-{Guid.NewGuid():N}.sqlite");
        try
        {
            using (var source = new FileStream(stored, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
            using (Stream plain = ObjectCompression.OpenDecompressor(source, CompressionAlgorithm.Zlib))
            using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                plain.CopyTo(copy);
            using CatalogReader reader = CatalogReader.Open(file);
            return [.. reader.References().Select(r => r.Name).Distinct()];
        }
        catch (Exception e) when (e is CatalogFormatException or ObjectCorruptException or InvalidDataException)
        {
            throw new RecoveryException(RecoveryCodes.StoreDamaged, $"The catalog {stored} cannot be read: {e.Message}", stored, "let the store be scrubbed with repair, then try again", e);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
