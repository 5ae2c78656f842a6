namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>
/// Reads an object pack from a stream it does not own: strictly, with bounded memory, whatever the bytes. It checks the frames; whether
/// an object's bytes fit its name is for the caller to check. Not thread-safe.
/// </summary>
public sealed class ObjectPackReader(Stream source, PackLimits? limits = null)
    : FramedReader(source, "object pack", PackFrame.Magic, PackFrame.ObjectSize, (limits ?? PackLimits.Default).PackBytesMax)
{
    private readonly PackLimits _limits = limits ?? PackLimits.Default;

    /// <summary>Objects begun.</summary>
    public long Objects { get; private set; }

    /// <summary>
    /// The next object, or null when the pack has come to its proper end. What was not read of the content of the object before is skipped.
    /// The content is valid until the next call; it needs no disposal and throws <see cref="PackFormatException"/> when the pack is truncated inside it.
    /// </summary>
    /// <exception cref="PackFormatException">The bytes are no pack, a damaged or a truncated one.</exception>
    public async ValueTask<(PackedObject Header, Stream Content)?> ReadAsync(CancellationToken cancellationToken)
    {
        if (await NextAsync(cancellationToken).ConfigureAwait(false) is not { } mark)
            return null;
        if (mark != PackFrame.ObjectMark)
            throw Unknown("an object");
        long at = await FrameAsync(PackFrame.ObjectSize, cancellationToken).ConfigureAwait(false);
        if (PackFrame.TryReadObject(Frame, _limits, out PackedObject header) is { } error)
            throw new PackFormatException(at, error + ".");
        Stream content = Open($"object {header.Name}", at, header.StoredSize);
        Objects++;
        return (header, content);
    }
}
