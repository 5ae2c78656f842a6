using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>
/// Content of one object. The last bytes are handed out only after digest, compression and size have been found right, so who has read
/// the promised number of bytes has read good bytes.
/// </summary>
internal sealed class ObjectContentStream : Stream
{
    private readonly ObjectName _name;
    private readonly Stream _content;
    private readonly long? _size;
    private readonly long _sizeMax;
    private readonly byte[] _probe = new byte[1];
    private long _position;
    private bool _ended;

    /// <summary>Takes over a stream of stored bytes.</summary>
    public ObjectContentStream(ObjectName name, Stream stored, string source, CompressionAlgorithm compression, long? size, long sizeMax)
    {
        _name = name;
        _size = size;
        _sizeMax = size ?? sizeMax;
        _content = ObjectCompression.OpenDecompressor(new HashCheckingStream(name, stored, source), compression);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _ended) return 0;
        try
        {
            var count = await _content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            _position += count;
            if (_position > _sizeMax) throw new ObjectCorruptException(_name, $"its content is longer than {_sizeMax} bytes");
            if (count > 0 && _position == _size && await _content.ReadAsync(_probe, cancellationToken).ConfigureAwait(false) > 0)
            {
                throw new ObjectCorruptException(_name, $"its content is longer than {_size} bytes");
            }

            if (count > 0) return count;
        }
        catch (ObjectCorruptException e) when (e.Name is null)
        {
            throw new ObjectCorruptException(_name, e.What, e);
        }

        if (_size is { } size && _position != size) throw new ObjectCorruptException(_name, $"its content has {_position} bytes where {size} are recorded");
        _ended = true;
        return 0;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _content.Dispose();
        base.Dispose(disposing);
    }
}
