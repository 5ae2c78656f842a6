using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>That a row needs an object.</summary>
/// <param name="Name">The object of a whole file or of a chunk.</param>
/// <param name="Compression">How it is stored.</param>
/// <param name="Size">Bytes of its content, by the row; <see cref="SizeUnknown"/> where the row is not to be relied on.</param>
/// <param name="Path">The file.</param>
public readonly record struct ObjectReference(ObjectName Name, CompressionAlgorithm Compression, long Size, RepositoryPath Path)
{
    /// <summary>Says that no size is known.</summary>
    public const long SizeUnknown = -1;
}
