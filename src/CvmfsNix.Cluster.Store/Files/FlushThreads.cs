namespace CvmfsNix.Cluster.Store.Files;

/// <summary>
/// Threads that do nothing but wait for the device. An fsync blocks for milliseconds; on the thread pool, which starts with one thread
/// a core, a handful of them would keep everything else from running, and would run one after the other instead of together, where the
/// file system commits them with one journal write. They sleep while there is nothing to do: sixteen threads that look for a while
/// before they sleep took a sixth of a node's processor time.
/// </summary>
internal static class FlushThreads
{
    /// <summary>So many fsyncs are under way at once.</summary>
    private const int Count = 16;

    private static readonly Queue<(Action Work, TaskCompletionSource Done)> Waiting = Start();

    /// <summary>Runs every action, some at once; completes when all are done, with the first error if any failed.</summary>
    public static async Task RunAllAsync(IReadOnlyCollection<Action> actions)
    {
        var tasks = new List<Task>(actions.Count);
        foreach (Action action in actions)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            tasks.Add(done.Task);
            lock (Waiting)
            {
                Waiting.Enqueue((action, done));
                Monitor.Pulse(Waiting);
            }
        }

        await Task.WhenAll(tasks).ConfigureAwait(false);
    }

    private static Queue<(Action Work, TaskCompletionSource Done)> Start()
    {
        var waiting = new Queue<(Action Work, TaskCompletionSource Done)>();
        for (int i = 0; i < Count; i++)
            new Thread(() => Run(waiting)) { IsBackground = true, Name = $"store-flush-{i}" }.Start();
        return waiting;
    }

    private static void Run(Queue<(Action Work, TaskCompletionSource Done)> waiting)
    {
        while (true)
        {
            (Action work, TaskCompletionSource done) = Next(waiting);
            try
            {
                work();
                done.SetResult();
            }
#pragma warning disable CA1031 // The error belongs to whoever asked; the thread lives on.
            catch (Exception e)
            {
                done.SetException(e);
            }
#pragma warning restore CA1031
        }
    }

    // A monitor and no semaphore of the framework, because those spin before they wait.
    private static (Action Work, TaskCompletionSource Done) Next(Queue<(Action Work, TaskCompletionSource Done)> waiting)
    {
        lock (waiting)
        {
            while (waiting.Count == 0)
                Monitor.Wait(waiting);
            return waiting.Dequeue();
        }
    }
}
