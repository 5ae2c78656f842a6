using System.Buffers.Binary;
using System.Security.Cryptography;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>MD5 of a path as catalogs keep it: both halves of the digest read as little-endian signed numbers (columns <c>md5path_1</c>, <c>md5path_2</c>).</summary>
public readonly record struct PathKey(long High, long Low)
{
    /// <summary>Parent key of the repository's root row.</summary>
    public static readonly PathKey None;

    /// <summary>Key of a path's raw bytes.</summary>
    public static PathKey Of(ReadOnlySpan<byte> path)
    {
        Span<byte> digest = stackalloc byte[MD5.HashSizeInBytes];
        MD5.HashData(path, digest);
        return new PathKey(BinaryPrimitives.ReadInt64LittleEndian(digest), BinaryPrimitives.ReadInt64LittleEndian(digest[8..]));
    }
}
