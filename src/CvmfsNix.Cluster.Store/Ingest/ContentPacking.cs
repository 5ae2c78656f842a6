using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Compression;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>How contents are compressed, whoever does it. Machines with the same libraries make equal objects of equal contents.</summary>
internal static class ContentPacking
{
    private const int SampleBytes = 64 * 1024;
    private const int Samples = 16;

    // Below it the samples would be all of the content.
    private const int LookedAtBytesMin = 4 * SampleBytes;
    private const int ProbeBytes = 4096;
    private const int ProbeEvery = 64 * 1024;

    /// <summary>The compressed form; null when it is to be stored as it is, because compressing does not make it smaller.</summary>
    /// <param name="plain">The content; stays the caller's.</param>
    /// <param name="always">Take the compressed form also where it is larger.</param>
    /// <param name="level">How hard to try.</param>
    public static PooledBytes? Compress(PooledBytes plain, bool always, CompressionLevel level)
    {
        if (!always && plain.Length >= LookedAtBytesMin && LooksCompressed(plain.Span))
            return null;
        // Room for the worst case of the format where the result is taken in any case, and for the empty object.
        int limit = !always && plain.Length > 0 ? plain.Length - 1 : plain.Length + (plain.Length / 1000) + 64;
        var compressed = new PooledBytes(limit);
        compressed.Length = BlockCompressor.Best.Compress(plain.Span, compressed.Array.AsSpan(0, limit), level);
        if (compressed.Length > 0)
            return compressed;
        compressed.Return();
        return null;
    }

    /// <summary>Whether a large content is worth compressing, by samples of its first chunk.</summary>
    public static bool Shrinks(ReadOnlySpan<byte> chunk, CompressionLevel level)
    {
        var sample = new PooledBytes(Samples * SampleBytes);
        if (chunk.Length <= Samples * SampleBytes)
        {
            sample.Append(chunk);
        }
        else
        {
            long step = (chunk.Length - SampleBytes) / (Samples - 1);
            for (int i = 0; i < Samples; i++)
                sample.Append(chunk.Slice((int)(i * step), SampleBytes));
        }

        var compressed = new PooledBytes(sample.Length);
        bool shrinks = BlockCompressor.Best.Compress(sample.Span, compressed.Array.AsSpan(0, sample.Length - 1), level) > 0;
        compressed.Return();
        sample.Return();
        return shrinks;
    }

    /// <summary>
    /// Whether nothing is to be gained: every byte value is about as frequent as every other, wherever one looks, and a piece from the middle does not
    /// shrink. To find that out by compressing all of an archive or image costs as much as to compress a library.
    /// </summary>
    public static bool LooksCompressed(ReadOnlySpan<byte> plain)
    {
        for (int at = 0; at <= plain.Length - ProbeBytes; at += ProbeEvery)
        {
            if (!IsEven(plain.Slice(at, ProbeBytes)))
                return false;
        }

        ReadOnlySpan<byte> middle = plain.Slice((plain.Length - SampleBytes) / 2, SampleBytes);
        var compressed = new PooledBytes(SampleBytes);
        bool shrinks = BlockCompressor.Best.Compress(middle, compressed.Array.AsSpan(0, SampleBytes - 1), CompressionLevel.Fastest) > 0;
        compressed.Return();
        return !shrinks;
    }

    // The sum of the squared frequencies is least when all values are equally frequent; bytes by chance have about 1.06 times that here. At 1.15 times
    // no code of single bytes saves more than about 1 %.
    private static bool IsEven(ReadOnlySpan<byte> probe)
    {
        Span<int> counts = stackalloc int[256];
        counts.Clear();
        foreach (byte value in probe)
            counts[value]++;
        long squares = 0;
        foreach (int count in counts)
            squares += (long)count * count;
        const long Even = (long)ProbeBytes * ProbeBytes / 256;
        return squares * 100 <= Even * 115;
    }
}
