using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// Reads an item pack from a stream it does not own: strictly and with bounded memory, whatever the bytes. It checks the frames; whether
/// the bytes fit the name is for the caller to check. Not thread-safe.
/// </summary>
#pragma warning disable CA1001 // The view of an item's bytes holds nothing to release.
public sealed class ItemPackReader(Stream source)
#pragma warning restore CA1001
{
    private readonly byte[] _frame = new byte[ItemPackFrame.LargestFrame];
    private ItemContent? _current;
    private bool _started;
    private bool _ended;
    private long _items;
    private long _bytes;
    private long _offset;

    /// <summary>
    /// The next item, or null at the proper end. What was not read of the content before is skipped. The content is valid until the next call
    /// and throws <see cref="PackFormatException"/> when the pack is truncated inside it.
    /// </summary>
    /// <exception cref="PackFormatException">The bytes are no item pack, a damaged or a truncated one.</exception>
    public async ValueTask<(StoreItem Item, long Size, Stream Content)?> ReadAsync(CancellationToken cancellationToken)
    {
        if (_ended)
            return null;
        if (!_started)
            await ReadMagicAsync(cancellationToken).ConfigureAwait(false);
        if (_current is { Rest: > 0 })
            await _current.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);

        await FillAsync(0, 1, cancellationToken).ConfigureAwait(false);
        long at = _offset - 1;
        StoreItem item;
        long size;
        string? error;
        switch (_frame[0])
        {
            case ItemPackFrame.ObjectMark:
                await FillAsync(1, ItemPackFrame.ObjectSize - 1, cancellationToken).ConfigureAwait(false);
                error = ItemPackFrame.TryReadObject(_frame, out item, out size);
                break;
            case ItemPackFrame.BlobMark:
                await FillAsync(1, ItemPackFrame.BlobSize - 1, cancellationToken).ConfigureAwait(false);
                error = ItemPackFrame.TryReadBlob(_frame, out item, out size);
                break;
            case ItemPackFrame.EndMark:
                await ReadEndAsync(cancellationToken).ConfigureAwait(false);
                return null;
            default:
                throw new PackFormatException(at, $"found byte 0x{_frame[0]:x2} where an item or the end should begin.");
        }

        if (error is not null)
            throw new PackFormatException(at, error + ".");
        _items++;
        _bytes += size;
        _current = new ItemContent(this, item, size);
        return (item, size, _current);
    }

    private async ValueTask ReadMagicAsync(CancellationToken cancellationToken)
    {
        int length = ItemPackFrame.Magic.Length;
        await FillAsync(0, length, cancellationToken).ConfigureAwait(false);
        if (!_frame.AsSpan(0, length).SequenceEqual(ItemPackFrame.Magic))
            throw new PackFormatException(0, "this is no item pack of version 1.");
        _started = true;
    }

    private async ValueTask ReadEndAsync(CancellationToken cancellationToken)
    {
        long at = _offset - 1;
        await FillAsync(1, ItemPackFrame.EndSize - 1, cancellationToken).ConfigureAwait(false);
        (long items, long bytes) = ItemPackFrame.ReadEnd(_frame);
        if (items != _items || bytes != _bytes)
            throw new PackFormatException(at, $"the end counts {items} items of {bytes} bytes, the pack holds {_items} of {_bytes}.");
        if (await source.ReadAsync(_frame.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) != 0)
            throw new PackFormatException(_offset, "bytes follow the end.");
        _ended = true;
    }

    private async ValueTask FillAsync(int start, int count, CancellationToken cancellationToken)
    {
        int read = await source.ReadAtLeastAsync(_frame.AsMemory(start, count), count, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        _offset += read;
        if (read < count)
            throw new PackFormatException(_offset, "the pack ends without its end: it is truncated, send it again.");
    }

    private async ValueTask<int> ReadContentAsync(Memory<byte> buffer, StoreItem item, long rest, CancellationToken cancellationToken)
    {
        int read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (read == 0)
            throw new PackFormatException(_offset, $"the pack ends {rest} bytes before the end of {item}: it is truncated, send it again.");
        _offset += read;
        return read;
    }

    private sealed class ItemContent(ItemPackReader pack, StoreItem item, long size) : Stream
    {
        private long _read;

        public long Rest => size - _read;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

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

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) =>
            throw new NotSupportedException("A pack comes from the network: read it asynchronously.");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
