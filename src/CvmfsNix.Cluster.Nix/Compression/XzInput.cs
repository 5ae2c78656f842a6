namespace CvmfsNix.Cluster.Nix.Compression;

/// <summary>
/// An xz file on its way to the decoder: read in blocks, with its place counted, as the decoder asks for it byte by byte and aligns itself by the
/// place. Looks at the first bytes: a dictionary is allocated at the size that the header of a block asks for, up to 4 GiB.
/// </summary>
internal sealed class XzInput(Stream file) : Stream
{
    // The code of 64 MiB, the largest that xz itself makes by a preset.
    private const byte DictionaryMax = 28;
    private const int HeaderBytes = 64;
    private const int StreamHeader = 12;
    private const byte Lzma2 = 0x21;

    private readonly byte[] _buffer = new byte[64 << 10];
    private int _filled;
    private int _given;
    private long _position;
    private bool _checked;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        if (_given == _filled)
        {
            _filled = _checked ? file.Read(_buffer) : file.ReadAtLeast(_buffer, HeaderBytes, throwOnEndOfStream: false);
            Filled();
        }

        return Take(buffer);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_given == _filled)
        {
            _filled = _checked
                ? await file.ReadAsync(_buffer, cancellationToken)
                : await file.ReadAtLeastAsync(_buffer, HeaderBytes, throwOnEndOfStream: false, cancellationToken);
            Filled();
        }

        return Take(buffer.Span);
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Filled()
    {
        _given = 0;
        if (!_checked)
            Check(_buffer.AsSpan(0, Math.Min(_filled, HeaderBytes)));
        _checked = true;
    }

    private int Take(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _filled - _given);
        _buffer.AsSpan(_given, count).CopyTo(buffer);
        _given += count;
        _position += count;
        return count;
    }

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
