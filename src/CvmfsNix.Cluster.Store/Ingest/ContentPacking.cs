using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Compression;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>How contents are compressed, whoever does it: equal contents become equal objects.</summary>
internal static class ContentPacking
{
    private const int SampleBytes = 64 * 1024;
    private const int Samples = 16;

    /// <summary>The compressed form; null when it is to be stored as it is, because compressing does not make it smaller.</summary>
    /// <param name="plain">The content; stays the caller's.</param>
    /// <param name="always">Take the compressed form also where it is larger.</param>
    /// <param name="level">How hard to try.</param>
    public static PooledBytes? Compress(PooledBytes plain, bool always, CompressionLevel level)
    {
        // Room for the worst case of the format where the result is taken in any case, and for the empty object.
        int limit = !always && plain.Length > 0 ? plain.Length - 1 : plain.Length + (plain.Length / 1000) + 64;
        return TryCompress(plain.Span, limit, level);
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

        PooledBytes? compressed = TryCompress(sample.Span, sample.Length - 1, level);
        compressed?.Return();
        sample.Return();
        return compressed is not null;
    }

    /// <summary>The compressed bytes; null when they would be more than <paramref name="limit"/>.</summary>
    private static PooledBytes? TryCompress(ReadOnlySpan<byte> plain, int limit, CompressionLevel level)
    {
        var compressed = new PooledBytes(limit);
        using var bounded = new BoundedStream(compressed, limit);
        using (Stream compressor = ObjectCompression.OpenCompressor(bounded, level, leaveOpen: true))
        {
            for (int start = 0; start < plain.Length && !bounded.Overflowed; start += SampleBytes)
                compressor.Write(plain.Slice(start, Math.Min(SampleBytes, plain.Length - start)));
        }

        if (!bounded.Overflowed)
            return compressed;
        compressed.Return();
        return null;
    }

    /// <summary>Takes what fits and remembers that there was more.</summary>
    private sealed class BoundedStream(PooledBytes into, int limit) : Stream
    {
        public bool Overflowed { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => into.Length;

        public override long Position { get => into.Length; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Overflowed |= buffer.Length > limit - into.Length;
            if (!Overflowed)
                into.Append(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
