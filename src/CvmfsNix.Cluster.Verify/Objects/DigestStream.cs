using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Verify.Objects;

/// <summary>Stored bytes on their way to the inflater: hashed, counted, and ended at a limit.</summary>
internal sealed class DigestStream(Stream stored, HashAlgorithmId algorithm, long bytesMax) : Stream
{
    private readonly ObjectHasher _hasher = new(algorithm);

    /// <summary>Bytes so far.</summary>
    public long Count { get; private set; }

    /// <summary>True when there was more than the limit.</summary>
    public bool IsOverLimit => Count > bytesMax;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Digest of everything read; called once.</summary>
    public ObjectHash Finish() => _hasher.Finish();

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer) => IsOverLimit ? 0 : Took(buffer, stored.Read(buffer));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (IsOverLimit)
            return 0;
        int count = await stored.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        return Took(buffer.Span, count);
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hasher.Dispose();
            stored.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Took(ReadOnlySpan<byte> buffer, int count)
    {
        _hasher.Append(buffer[..count]);
        Count += count;
        return count;
    }
}
