namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>Wanted items that somebody waits for together. Thread-safe.</summary>
internal sealed class FetchGroup
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // One more than there are items until it is sealed, so that it does not end before the last was added.
    private int _open = 1;
    private int _coming = 1;

    /// <summary>Ends when every item is durable here, or was found to be nowhere.</summary>
    public Task Completion => _done.Task;

    /// <summary>All items have come, and none waits but for the disk.</summary>
    public bool HasCome => Volatile.Read(ref _coming) == 0;

    /// <summary>One more item.</summary>
    public void Add()
    {
        Interlocked.Increment(ref _open);
        Interlocked.Increment(ref _coming);
    }

    /// <summary>No more will be added.</summary>
    public void Seal()
    {
        Come();
        Settle();
    }

    /// <summary>An item came, or will not.</summary>
    public void Come() => Interlocked.Decrement(ref _coming);

    /// <summary>An item is durable, or will not come.</summary>
    public void Settle()
    {
        if (Interlocked.Decrement(ref _open) == 0)
            _done.TrySetResult();
    }
}
