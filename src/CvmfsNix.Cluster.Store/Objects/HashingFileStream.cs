using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Files;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Store.Objects;

/// <summary>Writes a new file and hashes what it writes. Unbuffered: writers bring blocks.</summary>
internal sealed class HashingFileStream(string path, HashAlgorithmId algorithm) : Stream
{
    private readonly SafeFileHandle _handle = Open(path);
    private readonly ObjectHasher _hasher = new(algorithm);
    private const int BeginEvery = 1 << 20;

    private long _length;
    private long _begun;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position { get => _length; set => throw new NotSupportedException(); }

    /// <summary>Digest and size of all that was written.</summary>
    public (ObjectHash Hash, long Size) Finish() => (_hasher.Finish(), _length);

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _hasher.Append(buffer);
        try
        {
            RandomAccess.Write(_handle, buffer, _length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ObjectStoreException($"Cannot write {path}: {e.Message}", e);
        }

        _length += buffer.Length;
        if (_length - _begun >= BeginEvery)
        {
            // The device is at work while the rest is made, so that the fsync at the end waits for less.
            WriteBack.Begin(_handle, _begun, _length - _begun);
            _begun = _length;
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _handle.Dispose();
            _hasher.Dispose();
        }

        base.Dispose(disposing);
    }

    private static SafeFileHandle Open(string path)
    {
        try
        {
            return DurableFile.Create(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ObjectStoreException($"Cannot create {path}: {e.Message}", e);
        }
    }
}
