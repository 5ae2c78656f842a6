using System.Buffers.Binary;
using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// An object put together from the steps of a patch as it is read. Strict: a step beyond the base, more bytes than were announced, or fewer, are
/// errors. Owns the base.
/// </summary>
internal sealed class PatchedContent(Stream steps, Stream baseContent, long at, string item, long size) : ForwardReadStream
{
    private readonly byte[] _step = new byte[ItemPackFrame.CopySize];
    private long _read;
    private long _stepRest;
    private bool _copying;
    private bool _ended;

    public override long Length => size;

    public override long Position { get => _read; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _ended)
            return 0;
        if (_stepRest == 0 && !await NextStepAsync(cancellationToken).ConfigureAwait(false))
        {
            _ended = true;
            if (_read != size)
                throw Bad($"has steps for {_read} of {size} bytes");
            return 0;
        }

        if (buffer.Length > _stepRest)
            buffer = buffer[..(int)_stepRest];
        int read = await (_copying ? baseContent : steps).ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (read == 0)
            throw Bad(_copying ? "names bytes that its base does not have" : "ends within bytes that it announced");
        _stepRest -= read;
        _read += read;
        return read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            baseContent.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask<bool> NextStepAsync(CancellationToken cancellationToken)
    {
        if (await steps.ReadAsync(_step.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) == 0)
            return false;
        _copying = _step[0] switch
        {
            ItemPackFrame.CopyMark => true,
            ItemPackFrame.LiteralMark => false,
            _ => throw Bad($"has a step that begins with byte 0x{_step[0]:x2}"),
        };
        int length = (_copying ? ItemPackFrame.CopySize : ItemPackFrame.LiteralSize) - 1;
        if (await steps.ReadAtLeastAsync(_step.AsMemory(1, length), length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) < length)
            throw Bad("ends within a step");
        if (_copying)
        {
            long offset = BinaryPrimitives.ReadInt64LittleEndian(_step.AsSpan(1));
            _stepRest = BinaryPrimitives.ReadInt64LittleEndian(_step.AsSpan(9));
            if (offset < 0 || _stepRest < 0 || offset > baseContent.Length - _stepRest)
                throw Bad($"names {_stepRest} bytes at {offset} of a base that has {baseContent.Length}");
            baseContent.Position = offset;
        }
        else
        {
            _stepRest = BinaryPrimitives.ReadUInt32LittleEndian(_step.AsSpan(1));
        }

        // An empty step would let a patch go on for ever without a byte of the object.
        if (_stepRest <= 0 || _stepRest > size - _read)
            throw Bad($"has a step of {_stepRest} bytes where {size - _read} are left");
        return true;
    }

    private PackFormatException Bad(string problem) => new(at, $"the patch of {item} {problem}.");
}
