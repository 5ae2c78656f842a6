using CvmfsNix.Cluster.Store.Archives;
using SharpCompress.Compressors.ZStandard;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>Compresses an archive on its way; disposing ends the frame.</summary>
internal sealed class ZstdOutput(Stream destination) : IBufferedOutput, IAsyncDisposable
{
    private const int Level = 3;
    private const int Block = 64 << 10;

    private readonly CompressionStream _compressor = new(destination, Level, bufferSize: 0, leaveOpen: true);
    private readonly byte[] _room = new byte[Block];

    public Memory<byte> Room(int size) => _room.AsMemory(0, Math.Min(size, Block));

    public ValueTask TakeAsync(int count, CancellationToken cancellationToken) => WriteAsync(_room.AsMemory(0, count), cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => _compressor.WriteAsync(bytes, cancellationToken);

    public ValueTask DisposeAsync() => _compressor.DisposeAsync();
}
