using CvmfsNix.Cluster.Replication.Filling;

namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>Counts what a filling does, and tells of it now and then. Thread-safe.</summary>
internal sealed class FetchMeter(IProgress<FillProgress>? progress, TimeProvider clock)
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);

    private long _catalogsDone;
    private long _catalogsTotal;
    private long _objectsDone;
    private long _objectsTotal;
    private long _bytesDone;
    private long _bytesTotal;
    private long _told;

    public long CatalogsDone => Interlocked.Read(ref _catalogsDone);

    public long ObjectsDone => Interlocked.Read(ref _objectsDone);

    public void CatalogsNeeded(long count)
    {
        Interlocked.Add(ref _catalogsTotal, count);
        Tell(false);
    }

    public void CatalogRead()
    {
        Interlocked.Increment(ref _catalogsDone);
        Tell(false);
    }

    public void Missing(long bytes)
    {
        Interlocked.Increment(ref _objectsTotal);
        Interlocked.Add(ref _bytesTotal, bytes);
        Tell(false);
    }

    /// <summary>An item came, or will not; what was expected of it gives way to what it is.</summary>
    public void Settled(bool came, long expected, long bytes)
    {
        if (came)
            Interlocked.Increment(ref _objectsDone);
        else
            Interlocked.Decrement(ref _objectsTotal);
        Interlocked.Add(ref _bytesDone, bytes);
        Interlocked.Add(ref _bytesTotal, bytes - expected);
        Tell(false);
    }

    public void Tell(bool always)
    {
        if (progress is null)
            return;
        long told = Interlocked.Read(ref _told);
        if (!always && told != 0 && clock.GetElapsedTime(told) < Between)
            return;
        if (Interlocked.CompareExchange(ref _told, clock.GetTimestamp(), told) != told && !always)
            return;
        progress.Report(new FillProgress(
            Interlocked.Read(ref _catalogsDone), Interlocked.Read(ref _catalogsTotal), Interlocked.Read(ref _objectsDone), Interlocked.Read(ref _objectsTotal), Interlocked.Read(ref _bytesDone), Interlocked.Read(ref _bytesTotal)));
    }
}
