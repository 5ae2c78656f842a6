using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>What a pack says of one of its objects, before the object's bytes. The receiver believes none of it unchecked.</summary>
/// <param name="Name">Digest of the stored bytes, and kind.</param>
/// <param name="Compression">How the stored bytes are to be read.</param>
/// <param name="StoredSize">Bytes that follow.</param>
/// <param name="PlainSize">Bytes when read; equal to <paramref name="StoredSize"/> where nothing is compressed.</param>
public readonly record struct PackedObject(ObjectName Name, CompressionAlgorithm Compression, long StoredSize, long PlainSize);
