using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>A file read once from start to end, without a buffer of its own, that insists on being the same file at its end as at its opening.</summary>
internal sealed class SteadyFileStream : Stream
{
    private readonly SafeFileHandle _handle;
    private readonly byte[] _path;
    private readonly Libc.StatxBuffer _opened;
    private readonly long _length;
    private long _position;
    private bool _checked;

    public SteadyFileStream(SafeFileHandle handle, byte[] path, Libc.StatxBuffer opened)
    {
        _handle = handle;
        _path = path;
        _opened = opened;
        _length = checked((long)opened.Size);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => _length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        int wanted = (int)Math.Min(buffer.Length, _length - _position);
        int read = wanted == 0 ? 0 : RandomAccess.Read(_handle, buffer[..wanted], _position);
        return Account(wanted, read);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int wanted = (int)Math.Min(buffer.Length, _length - _position);
        int read = wanted == 0 ? 0 : await RandomAccess.ReadAsync(_handle, buffer[..wanted], _position, cancellationToken);
        return Account(wanted, read);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _handle.Dispose();
        base.Dispose(disposing);
    }

    private int Account(int wanted, int read)
    {
        if (wanted > 0 && read == 0)
            throw new FileChangedException(_path, $"it ended at {_position} of {_length} bytes");
        _position += read;
        if (_position == _length && !_checked)
            CheckSteady();
        return read;
    }

    private void CheckSteady()
    {
        Libc.StatxBuffer now = DiskTree.DescriptorStatus((int)_handle.DangerousGetHandle(), _path);
        if (now.Size != _opened.Size)
            throw new FileChangedException(_path, $"its size was {_opened.Size} and is now {now.Size}");
        if (now.ModifiedSeconds != _opened.ModifiedSeconds || now.ModifiedNanoseconds != _opened.ModifiedNanoseconds)
            throw new FileChangedException(_path, "its modification time moved");
        _checked = true;
    }
}
