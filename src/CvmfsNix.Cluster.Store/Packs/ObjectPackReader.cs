namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>
/// Reads an object pack from a stream it does not own: strictly, with bounded memory, whatever the bytes. It checks the frames; whether
/// an object's bytes fit its name is for the caller to check. Not thread-safe.
/// </summary>
#pragma warning disable CA1001 // The view of an object's bytes holds nothing to release.
public sealed class ObjectPackReader(Stream source, PackLimits? limits = null)
#pragma warning restore CA1001
{
    private readonly PackLimits _limits = limits ?? PackLimits.Default;
    private readonly byte[] _frame = new byte[PackFrame.ObjectSize];
    private PackContentStream? _current;
    private bool _started;
    private bool _ended;
    private long _storedBytes;

    /// <summary>Bytes consumed.</summary>
    public long Offset { get; private set; }

    /// <summary>Objects begun.</summary>
    public long Objects { get; private set; }

    /// <summary>
    /// The next object, or null when the pack has come to its proper end. What was not read of the content of the object before is skipped.
    /// The content is valid until the next call; it needs no disposal and throws <see cref="PackFormatException"/> when the pack is truncated inside it.
    /// </summary>
    /// <exception cref="PackFormatException">The bytes are no pack, a damaged or a truncated one.</exception>
    public async ValueTask<(PackedObject Header, Stream Content)?> ReadAsync(CancellationToken cancellationToken)
    {
        if (_ended)
            return null;
        if (!_started)
            await ReadMagicAsync(cancellationToken).ConfigureAwait(false);
        if (_current is { Rest: > 0 })
            await _current.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);

        await FillAsync(0, 1, cancellationToken).ConfigureAwait(false);
        switch (_frame[0])
        {
            case PackFrame.ObjectMark:
                long at = Offset - 1;
                await FillAsync(1, PackFrame.ObjectSize - 1, cancellationToken).ConfigureAwait(false);
                if (PackFrame.TryReadObject(_frame, _limits, out PackedObject header) is { } error)
                    throw new PackFormatException(at, error + ".");
                if (header.StoredSize > _limits.PackBytesMax - Offset)
                    throw new PackFormatException(at, $"the pack grows beyond {_limits.PackBytesMax} bytes; send several.");
                Objects++;
                _storedBytes += header.StoredSize;
                _current = new PackContentStream(this, header);
                return (header, _current);
            case PackFrame.EndMark:
                await ReadEndAsync(cancellationToken).ConfigureAwait(false);
                return null;
            default:
                throw new PackFormatException(Offset - 1, $"found byte 0x{_frame[0]:x2} where an object or the end should begin.");
        }
    }

    internal async ValueTask<int> ReadContentAsync(Memory<byte> buffer, PackedObject header, long rest, CancellationToken cancellationToken)
    {
        int read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (read == 0)
            throw new PackFormatException(Offset, $"the pack ends {rest} bytes before the end of object {header.Name}: it is truncated, send it again.");
        Offset += read;
        return read;
    }

    private async ValueTask ReadMagicAsync(CancellationToken cancellationToken)
    {
        await FillAsync(0, PackFrame.Magic.Length, cancellationToken).ConfigureAwait(false);
        if (!_frame.AsSpan(0, PackFrame.Magic.Length).SequenceEqual(PackFrame.Magic))
            throw new PackFormatException(0, "this is no object pack of version 1.");
        _started = true;
    }

    private async ValueTask ReadEndAsync(CancellationToken cancellationToken)
    {
        long at = Offset - 1;
        await FillAsync(1, PackFrame.EndSize - 1, cancellationToken).ConfigureAwait(false);
        (long objects, long storedBytes) = PackFrame.ReadEnd(_frame);
        if (objects != Objects || storedBytes != _storedBytes)
            throw new PackFormatException(at, $"the end frame counts {objects} objects of {storedBytes} bytes, the pack holds {Objects} of {_storedBytes}.");
        if (await source.ReadAsync(_frame.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) != 0)
            throw new PackFormatException(Offset, "bytes follow the end frame.");
        _ended = true;
    }

    private async ValueTask FillAsync(int start, int count, CancellationToken cancellationToken)
    {
        int read = await source.ReadAtLeastAsync(_frame.AsMemory(start, count), count, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        Offset += read;
        if (read < count)
            throw new PackFormatException(Offset, "the pack ends without its end frame: it is truncated, send it again.");
        if (Offset > _limits.PackBytesMax)
            throw new PackFormatException(Offset, $"the pack grows beyond {_limits.PackBytesMax} bytes; send several.");
    }
}
