using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>
/// The body of a source's answer. Counts it, gives it up when nothing comes for a while, and turns whatever goes wrong with it into a
/// <see cref="SourceException"/>: so that it is never taken for trouble with the own disk.
/// </summary>
internal sealed class WatchedStream(Stream inner, Source source, FetchJob? job, TimeSpan patience, CancellationToken given) : ForwardReadStream
{
    private readonly CancellationTokenSource _stalled = CancellationTokenSource.CreateLinkedTokenSource(given);

    public long BytesRead { get; private set; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            _stalled.CancelAfter(patience);
            int read = await inner.ReadAsync(buffer, _stalled.Token).ConfigureAwait(false);
            _stalled.CancelAfter(Timeout.InfiniteTimeSpan);
            BytesRead += read;
            source.Count(read);
            job?.BytesReceived += read;
            return read;
        }
        catch (OperationCanceledException) when (!given.IsCancellationRequested)
        {
            throw new SourceException($"{source.Url} sent nothing for {patience.TotalSeconds:0.#} s.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new SourceException($"The answer of {source.Url} broke off: {e.Message}", e);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stalled.Dispose();
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
