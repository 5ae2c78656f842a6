namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>The stored bytes of one object inside a pack; ends where the object ends.</summary>
internal sealed class PackContentStream(ObjectPackReader pack, PackedObject header) : Stream
{
    /// <summary>Bytes not read yet.</summary>
    public long Rest { get; private set; } = header.StoredSize;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => header.StoredSize;

    public override long Position { get => header.StoredSize - Rest; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length > Rest)
            buffer = buffer[..(int)Rest];
        if (buffer.IsEmpty)
            return 0;
        int read = await pack.ReadContentAsync(buffer, header, Rest, cancellationToken).ConfigureAwait(false);
        Rest -= read;
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("A pack comes from the network: read it asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
