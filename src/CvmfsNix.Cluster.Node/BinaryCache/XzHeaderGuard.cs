namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// Looks at the first bytes of an xz file as they pass: a dictionary is allocated at the size that the header of a block asks for, up to 4 GiB.
/// The file is passed on unchanged.
/// </summary>
internal sealed class XzHeaderGuard(Stream file) : Stream
{
    // The code of 64 MiB, the largest that xz itself makes by a preset.
    private const byte DictionaryMax = 28;
    private const int HeaderBytes = 64;
    private const int StreamHeader = 12;
    private const byte Lzma2 = 0x21;

    private readonly byte[] _head = new byte[HeaderBytes];
    private int _filled;
    private int _given;
    private bool _checked;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_checked)
        {
            _filled = await file.ReadAtLeastAsync(_head, HeaderBytes, throwOnEndOfStream: false, cancellationToken);
            Check(_head.AsSpan(0, _filled));
            _checked = true;
        }

        if (_given == _filled)
            return await file.ReadAsync(buffer, cancellationToken);
        int count = Math.Min(buffer.Length, _filled - _given);
        _head.AsMemory(_given, count).CopyTo(buffer);
        _given += count;
        return count;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    // Stream header, then the first block's: its size, flags (count of filters; sizes that may follow), and the filters, of which the last is LZMA2.
    private static void Check(ReadOnlySpan<byte> head)
    {
        if (head.Length < StreamHeader + 8 || !head[..6].SequenceEqual((ReadOnlySpan<byte>)[0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]))
            throw new InvalidDataException("it is no xz file.");
        int at = StreamHeader;
        if (head[at] == 0)
            return;
        byte flags = head[at + 1];
        at += 2;
        if ((flags & 0x40) != 0)
            Number(head, ref at);
        if ((flags & 0x80) != 0)
            Number(head, ref at);
        for (int filter = 0; filter <= (flags & 3); filter++)
        {
            ulong id = Number(head, ref at);
            ulong size = Number(head, ref at);
            if (size > (ulong)(head.Length - at))
                throw new InvalidDataException("the header of its first block is damaged.");
            if (id == Lzma2 && size == 1 && head[at] > DictionaryMax)
                throw new InvalidDataException("it asks for a dictionary of more than 64 MiB.");
            at += (int)size;
        }
    }

    private static ulong Number(ReadOnlySpan<byte> head, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; shift < 63 && at < head.Length; shift += 7)
        {
            byte next = head[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if ((next & 0x80) == 0)
                return value;
        }

        throw new InvalidDataException("the header of its first block is damaged.");
    }
}
