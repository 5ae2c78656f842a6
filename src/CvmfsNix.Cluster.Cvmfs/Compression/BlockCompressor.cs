using System.IO.Compression;

namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>
/// Compresses and inflates objects that are in memory as a whole: one zlib stream (RFC 1950) each, whoever makes it. Thread-safe.
/// <para>
/// Only what a repository's own programs wrote, or what a <see cref="ObjectCompression.OpenDecompressor"/> has read to its end before, is to be
/// inflated here: another decoder may take streams that the zlib of a client refuses.
/// </para>
/// </summary>
public abstract class BlockCompressor
{
    /// <summary>File name of the native library, by its ABI.</summary>
    public const string Library = "libdeflate.so.0";

    private protected BlockCompressor()
    {
    }

    /// <summary>The runtime's own zlib.</summary>
    public static BlockCompressor Runtime { get; } = new RuntimeCompressor();

    /// <summary>libdeflate where the machine has it, otherwise that of the runtime.</summary>
    public static BlockCompressor Best { get; } = TryLoad(Library) ?? Runtime;

    /// <summary>As people read it.</summary>
    public abstract string Name { get; }

    /// <summary>libdeflate.</summary>
    /// <param name="library">File name or path.</param>
    /// <returns>Null when there is no such library, or it is another.</returns>
    public static BlockCompressor? TryLoad(string library) => LibdeflateCompressor.TryLoad(library);

    /// <summary>Compresses.</summary>
    /// <param name="plain">The content.</param>
    /// <param name="stored">Room for the stream.</param>
    /// <param name="level">How hard to try.</param>
    /// <returns>Bytes of the stream; 0 when there is not room enough for it.</returns>
    public int Compress(ReadOnlySpan<byte> plain, Span<byte> stored, CompressionLevel level)
    {
        if (!plain.IsEmpty)
            return CompressSome(plain, stored, level);
        return ObjectCompression.Empty.TryCopyTo(stored) ? ObjectCompression.Empty.Length : 0;
    }

    /// <summary>True when the stored bytes are one zlib stream and nothing else, and its content fills <paramref name="plain"/> exactly. Whoever needs to know what is wrong opens a decompressor.</summary>
    public abstract bool TryInflate(ReadOnlySpan<byte> stored, Span<byte> plain);

    private protected abstract int CompressSome(ReadOnlySpan<byte> plain, Span<byte> stored, CompressionLevel level);
}
