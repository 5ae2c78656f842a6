using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>One piece of a chunked file.</summary>
/// <param name="Offset">First byte in the uncompressed file.</param>
/// <param name="Size">Uncompressed bytes.</param>
/// <param name="Hash">Object of kind <see cref="Objects.ObjectKind.Chunk"/>.</param>
public sealed record FileChunk(long Offset, long Size, ObjectHash Hash);
