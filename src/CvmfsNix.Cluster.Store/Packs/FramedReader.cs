namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>
/// What the readers of packs share: a magic line, marked frames with contents behind them, and an end that counts both. Strict, and with
/// bounded memory, whatever the bytes. Not thread-safe; does not own its source.
/// </summary>
#pragma warning disable CA1001 // The view of an item's bytes holds nothing to release.
public abstract class FramedReader
#pragma warning restore CA1001
{
    private readonly Stream _source;
    private readonly int _magicLength;
    private readonly byte[] _frame;
    private readonly string _what;
    private readonly long _bytesMax;
    private Content? _current;
    private bool _started;
    private bool _ended;
    private long _items;
    private long _bytes;

    /// <param name="source">Where the pack comes from.</param>
    /// <param name="what">As in "object pack".</param>
    /// <param name="magic">Its first bytes.</param>
    /// <param name="frameMax">Bytes of the longest frame.</param>
    /// <param name="bytesMax">Bytes of the longest pack.</param>
    private protected FramedReader(Stream source, string what, ReadOnlySpan<byte> magic, int frameMax, long bytesMax)
    {
        ArgumentNullException.ThrowIfNull(source);
        _source = source;
        _what = what;
        _bytesMax = bytesMax;
        _magicLength = magic.Length;
        _frame = new byte[Math.Max(Math.Max(frameMax, PackEnd.Size), magic.Length)];
        Magic = magic.ToArray();
    }

    /// <summary>Bytes consumed.</summary>
    public long Offset { get; private set; }

    /// <summary>Frame being read, from its mark on.</summary>
    private protected ReadOnlySpan<byte> Frame => _frame;

    private byte[] Magic { get; }

    /// <summary>The next mark, with what was not read of the content before it skipped; null behind a proper end.</summary>
    private protected async ValueTask<byte?> NextAsync(CancellationToken cancellationToken)
    {
        if (_ended)
            return null;
        if (!_started)
            await ReadMagicAsync(cancellationToken).ConfigureAwait(false);
        if (_current is { Rest: > 0 })
            await _current.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        await FillAsync(0, 1, cancellationToken).ConfigureAwait(false);
        if (_frame[0] != PackEnd.Mark)
            return _frame[0];
        await ReadEndAsync(cancellationToken).ConfigureAwait(false);
        return null;
    }

    /// <summary>Reads the rest of a frame of so many bytes, mark included; returns where it began.</summary>
    private protected async ValueTask<long> FrameAsync(int length, CancellationToken cancellationToken)
    {
        long at = Offset - 1;
        await FillAsync(1, length - 1, cancellationToken).ConfigureAwait(false);
        return at;
    }

    /// <summary>The content that follows the frame.</summary>
    private protected ForwardReadStream Open(string item, long at, long size)
    {
        if (size > _bytesMax - Offset)
            throw new PackFormatException(at, $"the pack grows beyond {_bytesMax} bytes; send several.");
        _items++;
        _bytes += size;
        return _current = new Content(this, item, size);
    }

    /// <summary>The mark is none that the pack knows.</summary>
    private protected PackFormatException Unknown(string expected) => new(Offset - 1, $"found byte 0x{_frame[0]:x2} where {expected} or the end should begin.");

    private async ValueTask ReadMagicAsync(CancellationToken cancellationToken)
    {
        await FillAsync(0, _magicLength, cancellationToken).ConfigureAwait(false);
        if (!_frame.AsSpan(0, _magicLength).SequenceEqual(Magic))
            throw new PackFormatException(0, $"this is no {_what} of version 1.");
        _started = true;
    }

    private async ValueTask ReadEndAsync(CancellationToken cancellationToken)
    {
        long at = await FrameAsync(PackEnd.Size, cancellationToken).ConfigureAwait(false);
        (long items, long bytes) = PackEnd.Read(_frame);
        if (items != _items || bytes != _bytes)
            throw new PackFormatException(at, $"the end counts {items} items of {bytes} bytes, the pack holds {_items} of {_bytes}.");
        if (await _source.ReadAsync(_frame.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) != 0)
            throw new PackFormatException(Offset, "bytes follow the end.");
        _ended = true;
    }

    private async ValueTask FillAsync(int start, int count, CancellationToken cancellationToken)
    {
        int read = await _source.ReadAtLeastAsync(_frame.AsMemory(start, count), count, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        Offset += read;
        if (read < count)
            throw new PackFormatException(Offset, "the pack ends without its end: it is truncated, send it again.");
        if (Offset > _bytesMax)
            throw new PackFormatException(Offset, $"the pack grows beyond {_bytesMax} bytes; send several.");
    }

    private async ValueTask<int> ReadContentAsync(Memory<byte> buffer, string item, long rest, CancellationToken cancellationToken)
    {
        int read = await _source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (read == 0)
            throw new PackFormatException(Offset, $"the pack ends {rest} bytes before the end of {item}: it is truncated, send it again.");
        Offset += read;
        return read;
    }

    /// <summary>The bytes of one item; ends where the item ends.</summary>
    private sealed class Content(FramedReader pack, string item, long size) : ForwardReadStream
    {
        private long _read;

        public long Rest => size - _read;

        public override long Length => size;

        public override long Position { get => _read; set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.Length > Rest)
                buffer = buffer[..(int)Rest];
            if (buffer.IsEmpty)
                return 0;
            int read = await pack.ReadContentAsync(buffer, item, Rest, cancellationToken).ConfigureAwait(false);
            _read += read;
            return read;
        }
    }
}
