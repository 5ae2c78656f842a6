using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>
/// Compresses a large file that changes in a few places, again and again: each range of <see cref="SegmentSize"/> bytes is a deflate
/// segment of its own, and a segment whose bytes did not change is taken from the last time. The result is one ordinary zlib stream and a
/// function of the file alone. A segment costs 5 bytes and the loss of what it could have repeated from its predecessor;
/// segments are as long as deflate's window, so little.
/// </summary>
internal sealed class SegmentedCompressor : Stream
{
    /// <summary>Plaintext bytes of a segment; a multiple of every page size of our catalogs.</summary>
    public const int SegmentSize = 32 * 1024;

    private const int ChangedMax = 64;

    private static ReadOnlySpan<byte> Header => [0x78, 0x9c];

    // An empty last block: segments end on byte boundaries, so none of them needs to know that it is the last.
    private static ReadOnlySpan<byte> LastBlock => [0x03, 0x00];

    private readonly List<Segment> _segments = [];
    private readonly List<(int Index, byte[] Plain)> _changed = [];
    private readonly byte[] _current = new byte[SegmentSize];
    private int _filled;
    private int _next;
    private int _compressed;

    /// <summary>Plaintext bytes of the finished file.</summary>
    public long PlainSize { get; private set; }

    /// <summary>Stored bytes of the finished file.</summary>
    public long StoredSize { get; private set; }

    /// <summary>Segments compressed by the last <see cref="Finish"/>.</summary>
    public int SegmentsCompressed { get; private set; }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Starts the next version of the file.</summary>
    public void Start()
    {
        // Left over from a version that was not finished: its digests are noted, its segments are not compressed.
        if (_changed.Count > 0)
            _segments.Clear();
        _changed.Clear();
        _filled = 0;
        _next = 0;
        _compressed = 0;
        PlainSize = 0;
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        PlainSize += buffer.Length;
        while (!buffer.IsEmpty)
        {
            int taken = Math.Min(buffer.Length, SegmentSize - _filled);
            buffer[..taken].CopyTo(_current.AsSpan(_filled));
            _filled += taken;
            buffer = buffer[taken..];
            if (_filled == SegmentSize)
                EndSegment();
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Ends the file and compresses what changed, on all cores.</summary>
    public void Finish()
    {
        if (_filled > 0)
            EndSegment();
        CompressChanged();
        SegmentsCompressed = _compressed;
        _segments.RemoveRange(_next, _segments.Count - _next);
        StoredSize = Header.Length + _segments.Sum(s => (long)s.Stored.Length) + LastBlock.Length + sizeof(uint);
    }

    /// <summary>Writes the stored bytes of the finished file.</summary>
    public async Task CopyStoredAsync(Stream destination, CancellationToken cancellationToken)
    {
        await destination.WriteAsync(Header.ToArray(), cancellationToken).ConfigureAwait(false);
        uint checksum = 1;
        foreach (Segment segment in _segments)
        {
            await destination.WriteAsync(segment.Stored, cancellationToken).ConfigureAwait(false);
            checksum = Adler32.Combine(checksum, segment.Checksum, segment.PlainSize);
        }

        var trailer = new byte[LastBlock.Length + sizeof(uint)];
        LastBlock.CopyTo(trailer);
        BinaryPrimitives.WriteUInt32BigEndian(trailer.AsSpan(LastBlock.Length), checksum);
        await destination.WriteAsync(trailer, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    private void EndSegment()
    {
        ReadOnlySpan<byte> plain = _current.AsSpan(0, _filled);
        // A cryptographic digest, because builders choose part of what a catalog holds: two segments must not be mistaken for each other.
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(plain, digest);
        if (_next == _segments.Count)
            _segments.Add(Segment.None);
        if (!_segments[_next].Digest.AsSpan().SequenceEqual(digest))
        {
            _segments[_next] = new Segment(digest.ToArray(), _filled, Adler32.Of(plain), []);
            _changed.Add((_next, plain.ToArray()));
        }

        _next++;
        _filled = 0;
        // What waits is bounded, however much of the file is new.
        if (_changed.Count == ChangedMax)
            CompressChanged();
    }

    private void CompressChanged()
    {
        if (_changed.Count == 1)
        {
            CompressOne(_changed[0]);
        }
        else
        {
            Parallel.ForEach(_changed, CompressOne);
        }

        _compressed += _changed.Count;
        _changed.Clear();
    }

    // Each index occurs once, so writers never meet; the list itself does not grow meanwhile.
    private void CompressOne((int Index, byte[] Plain) changed)
    {
        var stored = new MemoryStream(SegmentSize / 2);
        using (var deflate = new DeflateStream(stored, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(changed.Plain);
            // Ends on a byte boundary without ending the stream; what closing adds is not taken.
            deflate.Flush();
            _segments[changed.Index] = _segments[changed.Index] with { Stored = stored.ToArray() };
        }
    }

    private sealed record Segment(byte[] Digest, int PlainSize, uint Checksum, byte[] Stored)
    {
        public static readonly Segment None = new([], 0, 1, []);
    }
}
