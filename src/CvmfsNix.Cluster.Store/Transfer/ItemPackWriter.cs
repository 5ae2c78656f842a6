using System.Buffers;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>Writes an item pack to a stream it does not own. Not thread-safe.</summary>
public sealed class ItemPackWriter(Stream destination)
{
    private const int BufferSize = 128 * 1024;

    private readonly byte[] _frame = new byte[ItemPackFrame.LargestFrame];
    private bool _started;
    private long _items;
    private long _bytes;

    /// <summary>Adds an item: exactly <paramref name="size"/> bytes of <paramref name="content"/>.</summary>
    /// <exception cref="InvalidDataException">The content has other than <paramref name="size"/> bytes; the pack is lost.</exception>
    public async Task WriteAsync(StoreItem item, long size, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        await StartAsync(cancellationToken).ConfigureAwait(false);
        int length = ItemPackFrame.WriteItem(_frame, item, size);
        await destination.WriteAsync(_frame.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            long rest = size;
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
            {
                rest -= read;
                if (rest < 0)
                    break;
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            }

            if (rest != 0)
                throw new InvalidDataException($"{item} does not have the {size} bytes that were announced.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        _items++;
        _bytes += size;
    }

    /// <summary>Writes the end, without which a pack counts as truncated, and flushes.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken).ConfigureAwait(false);
        ItemPackFrame.WriteEnd(_frame, _items, _bytes);
        await destination.WriteAsync(_frame.AsMemory(0, ItemPackFrame.EndSize), cancellationToken).ConfigureAwait(false);
        await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_started)
            return;
        _started = true;
        await destination.WriteAsync(ItemPackFrame.Magic.ToArray(), cancellationToken).ConfigureAwait(false);
    }
}
