using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using Org.BouncyCastle.Utilities.Zlib;

namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>Compression of objects: one zlib stream (RFC 1950) per object, no dictionary.</summary>
public static class ObjectCompression
{
    // The platform's compressor writes nothing at all for empty input, which readers of the format refuse.
    private static readonly byte[] EmptyObject = [0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01];

    /// <summary>
    /// Longest data for <see cref="CompressClassic"/>. The library behind it looks every 8192 symbols whether to begin a new block, which classic zlib does not;
    /// below that number it cannot differ.
    /// </summary>
    public const int ClassicBytesMax = 8191;

    /// <summary>Stored form of empty content: the eight bytes <c>789c030000000001</c>.</summary>
    public static ReadOnlySpan<byte> Empty => EmptyObject;

    /// <summary>Any valid zlib stream of the data; the bytes may change with the runtime.</summary>
    public static byte[] Compress(ReadOnlySpan<byte> data, CompressionLevel level = CompressionLevel.Optimal)
    {
        if (data.IsEmpty) return [.. EmptyObject];
        using var stored = new MemoryStream(data.Length / 2 + 64);
        using (var zlib = new ZLibStream(stored, level, leaveOpen: true)) zlib.Write(data);
        return stored.ToArray();
    }

    /// <summary>
    /// The bytes classic zlib makes at level 6. Certificates and metainfo must be stored so: a stock Stratum 1 compresses them again
    /// with its own zlib and stores the result under the original name, so other bytes make the replica unusable.
    /// </summary>
    /// <exception cref="ArgumentException">More than <see cref="ClassicBytesMax"/> bytes.</exception>
    public static byte[] CompressClassic(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty) return [.. EmptyObject];
        if (data.Length > ClassicBytesMax) throw new ArgumentException($"{data.Length} bytes are more than the {ClassicBytesMax} that certainly come out as classic zlib makes them; shorten the certificate or metainfo.", nameof(data));
        using var stored = new MemoryStream();
        using (var zlib = new ZOutputStream(stored, 6)) zlib.Write(data);
        return stored.ToArray();
    }

    /// <summary>A stream that compresses what is written into <paramref name="destination"/>; the object is complete once it is disposed.</summary>
    public static Stream OpenCompressor(Stream destination, CompressionLevel level = CompressionLevel.Optimal, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(destination);
        return new CompressorStream(destination, level, leaveOpen);
    }

    /// <summary>
    /// A stream of the content. Strict: reading to the end throws <see cref="ObjectCorruptException"/> unless the stored bytes are exactly one
    /// zlib stream with end marker and checksum and nothing behind it. Content handed out before the end is not yet known to be good.
    /// </summary>
    public static Stream OpenDecompressor(Stream stored, CompressionAlgorithm algorithm, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stored);
        return algorithm switch
        {
            CompressionAlgorithm.Zlib => new DecompressorStream(stored, leaveOpen),
            CompressionAlgorithm.None when !leaveOpen => stored,
            CompressionAlgorithm.None => new PassThroughStream(stored),
            _ => throw new ObjectCorruptException(null, $"compression algorithm {(int)algorithm} is unknown"),
        };
    }

    /// <summary>The content of a stored zlib object.</summary>
    /// <param name="stored">The stored bytes.</param>
    /// <param name="maxBytes">Longest acceptable content.</param>
    /// <exception cref="ObjectCorruptException">Broken stream, or content longer than <paramref name="maxBytes"/>.</exception>
    public static unsafe byte[] Decompress(ReadOnlySpan<byte> stored, long maxBytes)
    {
        if (stored.IsEmpty) throw new ObjectCorruptException(null, "it has no bytes");
        using var content = new MemoryStream();
        fixed (byte* start = stored)
        {
            using var source = new UnmanagedMemoryStream(start, stored.Length);
            using var inflater = OpenDecompressor(source, CompressionAlgorithm.Zlib);
            var buffer = new byte[16 * 1024];
            int count;
            while ((count = inflater.Read(buffer)) > 0)
            {
                if (content.Length + count > maxBytes) throw new ObjectCorruptException(null, $"its content is longer than the allowed {maxBytes} bytes");
                content.Write(buffer, 0, count);
            }
        }

        return content.ToArray();
    }
}
