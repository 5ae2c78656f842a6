using System.Buffers.Binary;
using System.Security.Cryptography;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>The MD5 of a path as two numbers: first and last eight bytes of the digest, each little-endian and signed.</summary>
internal readonly record struct RowKey(long First, long Last)
{
    /// <summary>Parent of the repository's root row.</summary>
    public static readonly RowKey None;

    /// <summary>Key of raw path bytes, empty for the root.</summary>
    public static RowKey Of(ReadOnlySpan<byte> path)
    {
        Span<byte> digest = stackalloc byte[16];
        MD5.HashData(path, digest);
        return new RowKey(BinaryPrimitives.ReadInt64LittleEndian(digest), BinaryPrimitives.ReadInt64LittleEndian(digest[8..]));
    }
}
