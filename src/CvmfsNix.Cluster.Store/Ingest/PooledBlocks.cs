using System.Buffers;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>Bytes that are written once, in rented blocks: any number of them takes hardly more memory than they are.</summary>
internal sealed class PooledBlocks : Stream
{
    // Most packs of a small publish fit into the first.
    private const int FirstBytes = 64 * 1024;
    private const int BlockBytes = 1 << 20;

    private readonly List<byte[]> _full = [];
    private byte[] _last = [];
    private int _used;
    private long _length;

    /// <summary>All that was written, in order; valid until <see cref="Return"/>.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Blocks => _full.Select(static b => new ReadOnlyMemory<byte>(b)).Append(_last.AsMemory(0, _used));

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position { get => _length; set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _length += buffer.Length;
        while (!buffer.IsEmpty)
        {
            if (_used == _last.Length)
            {
                if (_used > 0)
                    _full.Add(_last);
                _last = ArrayPool<byte>.Shared.Rent(_used == 0 ? FirstBytes : BlockBytes);
                _used = 0;
            }

            int count = Math.Min(buffer.Length, _last.Length - _used);
            buffer[..count].CopyTo(_last.AsSpan(_used));
            _used += count;
            buffer = buffer[count..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Gives the memory back; nobody may read it any more.</summary>
    public void Return()
    {
        foreach (byte[] block in _full)
            ArrayPool<byte>.Shared.Return(block);
        _full.Clear();
        if (_last.Length > 0)
            ArrayPool<byte>.Shared.Return(_last);
        (_last, _used) = ([], 0);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
