using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>Whole files in memory.</summary>
internal static class FileContent
{
    /// <summary>SHA-256 of a plaintext.</summary>
    public static ContentDigest DigestOf(ReadOnlySpan<byte> plain)
    {
        Span<byte> digest = stackalloc byte[ContentDigest.Size];
        SHA256.HashData(plain, digest);
        return new ContentDigest(digest);
    }

    /// <summary>Reads a file that has <paramref name="size"/> bytes.</summary>
    /// <exception cref="FileChangedException">It has another size.</exception>
    public static void ReadWhole(ReadOnlyMemory<byte> path, long size, PooledBytes into)
    {
        using Stream stream = DiskTree.OpenRead(path.Span);
        if (stream.Length != size)
            throw new FileChangedException(path.Span, $"its size was {size} and is now {stream.Length}");
        int length = stream.ReadAtLeast(into.Array.AsSpan(0, (int)size), (int)size, throwOnEndOfStream: false);
        // Reading the end lets the stream notice a change.
        if (length != size || stream.ReadByte() >= 0)
            throw new FileChangedException(path.Span, $"its size was {size} and is now another");
        into.Length = length;
    }

    /// <summary>The error of a file whose content is another one when it is read again.</summary>
    public static FileChangedException Changed(ReadOnlyMemory<byte> path) => new(path.Span, "its content was another when it was hashed");
}
