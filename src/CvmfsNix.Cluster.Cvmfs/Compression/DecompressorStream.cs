using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>
/// Read-only strict inflater. The platform's stream tolerates bytes behind the end of the compressed data, and a truncated end;
/// <see cref="LastByteGate"/> makes both visible.
/// </summary>
internal sealed class DecompressorStream : Stream
{
    private readonly LastByteGate _gate;
    private readonly ZLibStream _zlib;
    private bool _ended;

    public DecompressorStream(Stream stored, bool leaveOpen)
    {
        _gate = new LastByteGate(stored, leaveOpen);
        _zlib = new ZLibStream(_gate, CompressionMode.Decompress);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty || _ended) return 0;
        int count;
        try
        {
            count = _zlib.Read(buffer);
        }
        catch (Exception e) when (IsBrokenData(e))
        {
            throw new ObjectCorruptException(null, "its zlib stream is broken", e);
        }

        return count > 0 ? count : End(_gate.HasUndeliveredBytes());
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _ended) return 0;
        int count;
        try
        {
            count = await _zlib.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsBrokenData(e))
        {
            throw new ObjectCorruptException(null, "its zlib stream is broken", e);
        }

        return count > 0 ? count : End(await _gate.HasUndeliveredBytesAsync(cancellationToken).ConfigureAwait(false));
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await _zlib.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _zlib.Dispose();
        base.Dispose(disposing);
    }

    private int End(bool bytesLeft)
    {
        if (_gate.AskedBeyondEnd) throw new ObjectCorruptException(null, "its zlib stream ends early");
        if (bytesLeft) throw new ObjectCorruptException(null, "bytes follow the end of its zlib stream");
        _ended = true;
        return 0;
    }

    private bool IsBrokenData(Exception e) => !_gate.SourceFailed && e is (InvalidDataException or IOException);
}
