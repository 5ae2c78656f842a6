using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>Writes an item pack to a stream it does not own, in blocks: small items share one. Not thread-safe.</summary>
public sealed class ItemPackWriter(Stream destination)
{
    private readonly byte[] _block = new byte[128 * 1024];
    private int _filled;
    private bool _started;
    private long _items;
    private long _bytes;

    /// <summary>Adds an item: exactly <paramref name="size"/> bytes of <paramref name="content"/>.</summary>
    /// <exception cref="InvalidDataException">The content has other than <paramref name="size"/> bytes; the pack is lost.</exception>
    public async Task WriteAsync(StoreItem item, long size, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        await RoomAsync(ItemPackFrame.LargestFrame, cancellationToken).ConfigureAwait(false);
        _filled += ItemPackFrame.WriteItem(_block.AsSpan(_filled), item, size);
        await CopyAsync(item.ToString(), content, size, cancellationToken).ConfigureAwait(false);
        if (content.CanSeek ? content.Position < content.Length : await content.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false) != 0)
            throw new InvalidDataException($"{item} has more than the {size} bytes that were announced.");
        _items++;
        _bytes += size;
    }

    /// <summary>Adds an object as a patch.</summary>
    /// <param name="name">The object.</param>
    /// <param name="size">Its bytes.</param>
    /// <param name="content">Its bytes, seekable.</param>
    /// <param name="baseName">What it is made of.</param>
    /// <param name="steps">How.</param>
    /// <param name="cancellationToken">Gives up; the pack is lost.</param>
    public async Task WritePatchAsync(ObjectName name, long size, Stream content, ObjectName baseName, IReadOnlyList<PatchStep> steps, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(steps);
        long length = ObjectPatch.WireLength(steps);
        await RoomAsync(ItemPackFrame.LargestFrame, cancellationToken).ConfigureAwait(false);
        _filled += ItemPackFrame.WritePatch(_block.AsSpan(_filled), name, size, baseName, length);
        foreach (PatchStep step in steps)
        {
            await RoomAsync(ItemPackFrame.CopySize, cancellationToken).ConfigureAwait(false);
            if (step.FromBase)
            {
                _block[_filled] = ItemPackFrame.CopyMark;
                BinaryPrimitives.WriteInt64LittleEndian(_block.AsSpan(_filled + 1), step.Offset);
                BinaryPrimitives.WriteInt64LittleEndian(_block.AsSpan(_filled + 9), step.Count);
                _filled += ItemPackFrame.CopySize;
                continue;
            }

            _block[_filled] = ItemPackFrame.LiteralMark;
            BinaryPrimitives.WriteUInt32LittleEndian(_block.AsSpan(_filled + 1), checked((uint)step.Count));
            _filled += ItemPackFrame.LiteralSize;
            content.Position = step.Offset;
            await CopyAsync(name.ToString(), content, step.Count, cancellationToken).ConfigureAwait(false);
        }

        _items++;
        _bytes += length;
    }

    /// <summary>Writes the end, without which a pack counts as truncated, and flushes.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await RoomAsync(PackEnd.Size, cancellationToken).ConfigureAwait(false);
        PackEnd.Write(_block.AsSpan(_filled), _items, _bytes);
        _filled += PackEnd.Size;
        await SendAsync(cancellationToken).ConfigureAwait(false);
        await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task CopyAsync(string item, Stream content, long count, CancellationToken cancellationToken)
    {
        for (long rest = count; rest > 0;)
        {
            if (_filled == _block.Length)
                await SendAsync(cancellationToken).ConfigureAwait(false);
            int room = (int)Math.Min(rest, _block.Length - _filled);
            int read = await content.ReadAsync(_block.AsMemory(_filled, room), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                throw new InvalidDataException($"{item} does not have the {count} bytes that were announced.");
            _filled += read;
            rest -= read;
        }
    }

    private async ValueTask RoomAsync(int bytes, CancellationToken cancellationToken)
    {
        if (!_started)
        {
            _started = true;
            ItemPackFrame.Magic.CopyTo(_block);
            _filled = ItemPackFrame.Magic.Length;
        }

        if (_block.Length - _filled < bytes)
            await SendAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        await destination.WriteAsync(_block.AsMemory(0, _filled), cancellationToken).ConfigureAwait(false);
        _filled = 0;
    }
}
