using System.Buffers;

namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>Writes an object pack to a stream it does not own. Not thread-safe.</summary>
public sealed class ObjectPackWriter(Stream destination)
{
    private readonly byte[] _frame = new byte[PackFrame.ObjectSize];
    private bool _started;
    private bool _finished;
    private long _storedBytes;

    /// <summary>Objects written.</summary>
    public long Objects { get; private set; }

    /// <summary>Bytes of a pack with so many objects of so many stored bytes in total.</summary>
    public static long SizeOf(long objects, long storedBytes) =>
        PackFrame.Magic.Length + (objects * PackFrame.ObjectSize) + storedBytes + PackEnd.Size;

    /// <summary>Adds an object that is in memory.</summary>
    /// <exception cref="ArgumentException">The bytes are not as many as the header says.</exception>
    public async ValueTask WriteAsync(PackedObject header, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
    {
        if (stored.Length != header.StoredSize)
            throw new ArgumentException($"Object {header.Name} has {stored.Length} bytes, its header says {header.StoredSize}.", nameof(stored));
        await WriteHeaderAsync(header, cancellationToken).ConfigureAwait(false);
        await destination.WriteAsync(stored, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Adds an object, read to the end of <paramref name="stored"/>.</summary>
    /// <exception cref="InvalidDataException">The stream has more or fewer bytes than the header says; the pack is lost.</exception>
    public async ValueTask WriteAsync(PackedObject header, Stream stored, CancellationToken cancellationToken)
    {
        await WriteHeaderAsync(header, cancellationToken).ConfigureAwait(false);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
        try
        {
            long rest = header.StoredSize;
            int read;
            while ((read = await stored.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                rest -= read;
                if (rest < 0)
                    break;
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            }

            if (rest != 0)
                throw new InvalidDataException($"Object {header.Name} does not have the {header.StoredSize} bytes its header says.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Writes the end frame, without which a pack counts as truncated, and flushes.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken).ConfigureAwait(false);
        _finished = true;
        PackEnd.Write(_frame, Objects, _storedBytes);
        await destination.WriteAsync(_frame.AsMemory(0, PackEnd.Size), cancellationToken).ConfigureAwait(false);
        await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask WriteHeaderAsync(PackedObject header, CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken).ConfigureAwait(false);
        PackFrame.WriteObject(_frame, header);
        await destination.WriteAsync(_frame, cancellationToken).ConfigureAwait(false);
        Objects++;
        _storedBytes += header.StoredSize;
    }

    private async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        if (_finished)
            throw new InvalidOperationException("The pack is finished.");
        if (_started)
            return;
        _started = true;
        await destination.WriteAsync(PackFrame.Magic.ToArray(), cancellationToken).ConfigureAwait(false);
    }
}
