namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>
/// Whether this node stays out of its cluster because an operator told it to leave. Held in memory only: a process that is started again
/// joins. Thread-safe.
/// </summary>
internal sealed class ClusterParking
{
    /// <summary>Why it is in no cluster.</summary>
    public const string Reason = "An operator told it to leave; pbm cluster join, or a restart, brings it back.";

    private readonly Lock _gate = new();
    private TaskCompletionSource? _parked;

    /// <summary>Whether it stays out.</summary>
    public bool IsParked
    {
        get
        {
            lock (_gate)
                return _parked is not null;
        }
    }

    /// <summary>It will not come back by itself.</summary>
    public void Park()
    {
        lock (_gate)
            _parked ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>It may join again. False when it was not kept out.</summary>
    public bool Unpark()
    {
        lock (_gate)
        {
            if (_parked is not { } parked)
                return false;
            _parked = null;
            parked.SetResult();
            return true;
        }
    }

    /// <summary>Completes when it may join again; at once when nothing keeps it out.</summary>
    public Task FreeAsync(CancellationToken ct)
    {
        lock (_gate)
            return _parked?.Task.WaitAsync(ct) ?? Task.CompletedTask;
    }
}
