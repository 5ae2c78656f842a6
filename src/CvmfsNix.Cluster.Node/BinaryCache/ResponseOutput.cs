using System.IO.Pipelines;
using CvmfsNix.Cluster.Store.Archives;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>Archives go straight into the connection's buffers; many small pieces are sent together.</summary>
internal sealed class ResponseOutput(PipeWriter writer) : IBufferedOutput
{
    private const int FlushedAt = 64 << 10;
    private const int PieceMin = 4096;

    public Memory<byte> Room(int size) => writer.GetMemory(size)[..size];

    public ValueTask TakeAsync(int count, CancellationToken cancellationToken)
    {
        writer.Advance(count);
        return FlushAsync(cancellationToken);
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            // Asked for without a size, it may be empty.
            Memory<byte> room = writer.GetMemory(Math.Min(bytes.Length, PieceMin));
            int taken = Math.Min(room.Length, bytes.Length);
            bytes[..taken].CopyTo(room);
            writer.Advance(taken);
            bytes = bytes[taken..];
        }

        return FlushAsync(cancellationToken);
    }

    /// <summary>Sends what is left: the server does not, once a part was sent.</summary>
    public ValueTask FinishAsync(CancellationToken cancellationToken) => FlushNowAsync(cancellationToken);

    private ValueTask FlushAsync(CancellationToken cancellationToken) =>
        writer.UnflushedBytes < FlushedAt ? ValueTask.CompletedTask : FlushNowAsync(cancellationToken);

    private async ValueTask FlushNowAsync(CancellationToken cancellationToken)
    {
        if ((await writer.FlushAsync(cancellationToken)).IsCompleted)
            throw new OperationCanceledException("The client is gone.");
    }
}
