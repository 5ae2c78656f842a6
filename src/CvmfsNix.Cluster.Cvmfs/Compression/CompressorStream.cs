using System.IO.Compression;

namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>Write-only stream that compresses, and writes the canonical empty object when nothing was written.</summary>
internal sealed class CompressorStream(Stream destination, CompressionLevel level, bool leaveOpen) : Stream
{
    private ZLibStream? _zlib;
    private bool _closed;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => !_closed;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Flush() => _zlib?.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => _zlib?.FlushAsync(cancellationToken) ?? Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (!buffer.IsEmpty) Zlib().Write(buffer);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        buffer.IsEmpty ? default : Zlib().WriteAsync(buffer, cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        if (!_closed)
        {
            _closed = true;
            if (_zlib is not null) await _zlib.DisposeAsync().ConfigureAwait(false);
            else await destination.WriteAsync(ObjectCompression.Empty.ToArray()).ConfigureAwait(false);
            if (!leaveOpen) await destination.DisposeAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_closed)
        {
            _closed = true;
            if (_zlib is not null) _zlib.Dispose();
            else destination.Write(ObjectCompression.Empty);
            if (!leaveOpen) destination.Dispose();
        }

        base.Dispose(disposing);
    }

    private ZLibStream Zlib()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        return _zlib ??= new ZLibStream(destination, level, leaveOpen: true);
    }
}
