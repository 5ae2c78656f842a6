namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>How an object's content is stored; the value stands in bits 11 to 13 of a catalog row's flags.</summary>
public enum CompressionAlgorithm : byte
{
    /// <summary>One zlib stream (RFC 1950).</summary>
    Zlib = 0,

    /// <summary>Stored bytes are the content.</summary>
    None = 1,
}
