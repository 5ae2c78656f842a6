namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// Bytes that may be in memory at once. Whoever waits here holds none of them: those for the small files of a path are asked for before it is read,
/// and a chunk's before it is begun. Hence nobody waits for ever.
/// </summary>
internal sealed class ByteBudget
{
    private readonly Lock _lock = new();
    private readonly Queue<(long Bytes, TaskCompletionSource Granted)> _waiting = new();
    private readonly long _bytesMax;
    private long _free;

    public ByteBudget(long bytesMax)
    {
        _bytesMax = bytesMax;
        _free = bytesMax;
    }

    /// <summary>Waits for the bytes, first come first served. More than there are in all counts as all of them.</summary>
    /// <returns>The bytes to give back.</returns>
    public async Task<long> TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        bytes = Math.Min(bytes, _bytesMax);
        TaskCompletionSource granted;
        lock (_lock)
        {
            if (_waiting.Count == 0 && bytes <= _free)
            {
                _free -= bytes;
                return bytes;
            }

            granted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue((bytes, granted));
        }

        try
        {
            await granted.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            return bytes;
        }
        catch (OperationCanceledException)
        {
            // It keeps its place in the queue: whatever it is granted goes back at once.
            _ = granted.Task.ContinueWith(_ => Return(bytes), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            throw;
        }
    }

    /// <summary>Gives bytes back.</summary>
    public void Return(long bytes)
    {
        lock (_lock)
        {
            _free += bytes;
            while (_waiting.TryPeek(out (long Bytes, TaskCompletionSource Granted) next) && next.Bytes <= _free)
            {
                _free -= next.Bytes;
                _waiting.Dequeue();
                next.Granted.SetResult();
            }
        }
    }
}
