using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>Fills a buffer with the bytes from an offset on. Called by several threads at once.</summary>
/// <param name="offset">From the beginning; in bytes.</param>
/// <param name="buffer">Lies within the file.</param>
internal delegate void ReadRange(long offset, Span<byte> buffer);

/// <summary>
/// Compresses a large file that changes in a few places, again and again: each range of <see cref="SegmentSize"/> bytes is a deflate
/// segment of its own, and a segment whose bytes did not change is taken from the last time. The result is one ordinary zlib stream and a
/// function of the file alone. A segment costs 5 bytes and the loss of what it could have repeated from its predecessor;
/// segments are as long as deflate's window, so little. One caller at a time.
/// </summary>
internal sealed class SegmentedCompressor
{
    /// <summary>Plaintext bytes of a segment; a multiple of every page size of our catalogs.</summary>
    public const int SegmentSize = 32 * 1024;

    private static ReadOnlySpan<byte> Header => [0x78, 0x9c];

    // An empty last block: segments end on byte boundaries, so none of them needs to know that it is the last.
    private static ReadOnlySpan<byte> LastBlock => [0x03, 0x00];

    // So many are looked at while those before them are written: 4 MiB of the file.
    private const int SegmentsAhead = 128;

    private Segment[] _segments = [];

    /// <summary>Plaintext bytes of the file.</summary>
    public long PlainSize { get; private set; }

    /// <summary>Stored bytes of the file.</summary>
    public long StoredSize { get; private set; }

    /// <summary>Segments compressed the last time.</summary>
    public int SegmentsCompressed { get; private set; }

    /// <summary>Takes the next version of the file as it is: looks at all of it and compresses what changed, on all cores.</summary>
    /// <param name="length">Its bytes.</param>
    /// <param name="read">Gives them; the file does not change meanwhile.</param>
    public void Take(long length, ReadRange read)
    {
        int count = Resize(length);
        SegmentsCompressed = Take(0, count, length, read);
        PlainSize = length;
        StoredSize = Header.Length + _segments.Sum(static s => (long)s.Stored.Length) + LastBlock.Length + sizeof(uint);
    }

    /// <summary>Takes the next version of the file and writes its stored bytes: the beginning is on its way while the rest is still looked at.</summary>
    /// <param name="length">Bytes of the file.</param>
    /// <param name="read">Gives them; the file does not change meanwhile.</param>
    /// <param name="destination">Gets the stored bytes in order.</param>
    /// <param name="cancellationToken">Gives up; the next try starts from what was reached.</param>
    public async Task StoreAsync(long length, ReadRange read, Stream destination, CancellationToken cancellationToken)
    {
        int count = Resize(length);
        int compressed = 0;
        uint checksum = 1;
        long stored = Header.Length + LastBlock.Length + sizeof(uint);
        await destination.WriteAsync(Header.ToArray(), cancellationToken).ConfigureAwait(false);
        Task<int> ahead = TakeAsync(0);
        for (int first = 0; first < count; first += SegmentsAhead)
        {
            compressed += await ahead.ConfigureAwait(false);
            ahead = TakeAsync(first + SegmentsAhead);
            try
            {
                for (int index = first; index < Math.Min(count, first + SegmentsAhead); index++)
                {
                    Segment segment = _segments[index];
                    await destination.WriteAsync(segment.Stored, cancellationToken).ConfigureAwait(false);
                    checksum = Adler32.Combine(checksum, segment.Checksum, segment.PlainSize);
                    stored += segment.Stored.Length;
                }
            }
            catch
            {
                // Nobody may look at the file, or change the segments, after this method has ended.
                await ((Task)ahead).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }
        }

        var trailer = new byte[LastBlock.Length + sizeof(uint)];
        LastBlock.CopyTo(trailer);
        BinaryPrimitives.WriteUInt32BigEndian(trailer.AsSpan(LastBlock.Length), checksum);
        await destination.WriteAsync(trailer, cancellationToken).ConfigureAwait(false);
        (PlainSize, StoredSize, SegmentsCompressed) = (length, stored, compressed);

        Task<int> TakeAsync(int first) =>
            first >= count ? Task.FromResult(0) : Task.Run(() => Take(first, Math.Min(count, first + SegmentsAhead), length, read), CancellationToken.None);
    }

    private int Resize(long length)
    {
        int count = checked((int)((length + SegmentSize - 1) / SegmentSize));
        // A segment is replaced as a whole: one that was reached before something failed is right for the next try as well.
        Array.Resize(ref _segments, count);
        return count;
    }

    private int Take(int first, int end, long length, ReadRange read)
    {
        int compressed = 0;
        try
        {
            Parallel.For(
                first,
                end,
                static () => ArrayPool<byte>.Shared.Rent(SegmentSize),
                (index, _, buffer) =>
                {
                    long offset = (long)index * SegmentSize;
                    Span<byte> plain = buffer.AsSpan(0, (int)Math.Min(SegmentSize, length - offset));
                    read(offset, plain);
                    // A cryptographic digest, because builders choose part of what a catalog holds: two segments must not be mistaken for each other.
                    Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
                    SHA256.HashData(plain, digest);
                    if (_segments[index] is not { } known || !known.Digest.AsSpan().SequenceEqual(digest))
                    {
                        _segments[index] = new Segment(digest.ToArray(), plain.Length, Adler32.Of(plain), Compress(plain));
                        Interlocked.Increment(ref compressed);
                    }

                    return buffer;
                },
                static buffer => ArrayPool<byte>.Shared.Return(buffer));
        }
        catch (AggregateException e)
        {
            // Callers tell a full disk from a defect by the error itself.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        return compressed;
    }

    private static byte[] Compress(ReadOnlySpan<byte> plain)
    {
        var stored = new MemoryStream(SegmentSize / 2);
        using var deflate = new DeflateStream(stored, CompressionLevel.Optimal, leaveOpen: true);
        deflate.Write(plain);
        // Ends on a byte boundary without ending the stream; what closing adds is not taken.
        deflate.Flush();
        return stored.ToArray();
    }

    private sealed record Segment(byte[] Digest, int PlainSize, uint Checksum, byte[] Stored);
}
