namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>
/// Passes a stream on, but hands its very last byte out in a read of its own. A decoder that is done before it asked for that byte
/// left bytes behind; one that asks again after it has not seen its end. Nothing else tells the two cases exactly.
/// </summary>
internal sealed class LastByteGate(Stream inner, bool leaveOpen) : Stream
{
    private const int None = -1;
    private int _held = None;
    private bool _started;

    public bool AskedBeyondEnd { get; private set; }

    /// <summary>True when the stream below failed, so that its failure is not taken for broken data.</summary>
    public bool SourceFailed { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>True when bytes wait that the decoder never took.</summary>
    public bool HasUndeliveredBytes() => _held != None || (!_started && inner.ReadByte() >= 0);

    public async ValueTask<bool> HasUndeliveredBytesAsync(CancellationToken cancellationToken)
    {
        if (_held != None) return true;
        return !_started && await inner.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false) > 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        RefuseTiny(buffer.Length);
        while (true)
        {
            var shift = _held == None ? 0 : 1;
            var result = Settle(buffer, shift, ReadInner(buffer[shift..]));
            if (result >= 0) return result;
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        RefuseTiny(buffer.Length);
        while (true)
        {
            var shift = _held == None ? 0 : 1;
            int count;
            try
            {
                count = await inner.ReadAsync(buffer[shift..], cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                SourceFailed = true;
                throw;
            }

            var result = Settle(buffer.Span, shift, count);
            if (result >= 0) return result;
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        if (!leaveOpen) await inner.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !leaveOpen) inner.Dispose();
        base.Dispose(disposing);
    }

    private int ReadInner(Span<byte> buffer)
    {
        try
        {
            return inner.Read(buffer);
        }
        catch
        {
            SourceFailed = true;
            throw;
        }
    }

    /// <summary>Puts the held byte in front and holds back the new last one. Returns the bytes delivered, or −1 to read on.</summary>
    private int Settle(Span<byte> buffer, int shift, int count)
    {
        _started = true;
        if (count > 0)
        {
            if (shift == 1) buffer[0] = (byte)_held;
            _held = buffer[shift + count - 1];
            var delivered = shift + count - 1;
            return delivered > 0 ? delivered : -1;
        }

        if (shift == 0)
        {
            AskedBeyondEnd = true;
            return 0;
        }

        buffer[0] = (byte)_held;
        _held = None;
        return 1;
    }

    // The inflater reads blocks; room for the held byte and a new one is all that is needed.
    private static void RefuseTiny(int length) => ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
}
