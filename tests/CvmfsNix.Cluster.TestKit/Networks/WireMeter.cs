namespace CvmfsNix.Cluster.TestKit.Networks;

/// <summary>Counts what wires carry, and does something when enough has come. Counted by one thread, read by any.</summary>
internal sealed class WireMeter(int sites)
{
    private readonly long[] _carried = new long[(sites + 1) * (sites + 1)];
    private readonly Lock _gate = new();
    private readonly List<Armed> _armed = [];

    /// <summary>Bytes from one site to another so far.</summary>
    public long Carried(int from, int to) => Interlocked.Read(ref _carried[Place(from, to)]);

    /// <summary>A packet came.</summary>
    public void Count(int from, int to, int bytes)
    {
        long all = Interlocked.Add(ref _carried[Place(from, to)], bytes);
        Armed[] due;
        lock (_gate)
        {
            if (_armed.Count == 0)
                return;
            due = [.. _armed.Where(a => a.Place == Place(from, to) && a.At <= all)];
            foreach (Armed armed in due)
                _armed.Remove(armed);
        }

        foreach (Armed armed in due)
        {
            armed.Action();
            armed.Done.TrySetResult();
        }
    }

    /// <summary>Does something when another so many bytes have come.</summary>
    public Task AfterAsync(int from, int to, long bytes, Action action)
    {
        var armed = new Armed(Place(from, to), Carried(from, to) + bytes, action, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (_gate)
            _armed.Add(armed);
        return armed.Done.Task;
    }

    private int Place(int from, int to) => (from * (sites + 1)) + to;

    private sealed record Armed(int Place, long At, Action Action, TaskCompletionSource Done);
}
