namespace CvmfsNix.Cluster.Tests.Nix.Archives;

/// <summary>Gives its bytes in pieces of the sizes asked for, over and over, like a network does.</summary>
internal sealed class FragmentedStream(byte[] bytes, int[] sizes) : MemoryStream(bytes, writable: false)
{
    private readonly byte[] _bytes = bytes;
    private int _next;

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(Math.Min(buffer.Length, sizes[_next++ % sizes.Length]), _bytes.Length - (int)Position);
        _bytes.AsSpan((int)Position, count).CopyTo(buffer);
        Position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        return Read(buffer.Span);
    }
}
