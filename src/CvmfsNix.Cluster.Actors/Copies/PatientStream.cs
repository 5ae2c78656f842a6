using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>A stream from the network that is given up when nothing comes for a while, however long all of it takes.</summary>
internal sealed class PatientStream(Stream inner, TimeSpan patience) : ForwardReadStream
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bounded.CancelAfter(patience);
        try
        {
            return await inner.ReadAsync(buffer, bounded.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"nothing came for {patience.TotalSeconds:0} s");
        }
    }
}
