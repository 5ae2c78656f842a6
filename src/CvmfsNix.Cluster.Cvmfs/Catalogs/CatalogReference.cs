using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>An object that a row of a catalog names.</summary>
/// <param name="Name">The object: content of a file, a chunk, or a nested catalog.</param>
/// <param name="Size">Bytes of it when read; 0 where the row does not say.</param>
/// <param name="Compression">How it is stored.</param>
public readonly record struct CatalogReference(ObjectName Name, long Size, CompressionAlgorithm Compression);
