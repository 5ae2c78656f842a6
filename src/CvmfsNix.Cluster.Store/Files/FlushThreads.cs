using System.Collections.Concurrent;

namespace CvmfsNix.Cluster.Store.Files;

/// <summary>
/// Threads that do nothing but wait for the device. An fsync blocks for milliseconds; on the thread pool, which starts with one thread
/// a core, a handful of them would keep everything else from running, and would run one after the other instead of together, where the
/// file system commits them with one journal write.
/// </summary>
internal static class FlushThreads
{
    /// <summary>So many fsyncs are under way at once.</summary>
    private const int Count = 16;

    private static readonly BlockingCollection<(Action Work, TaskCompletionSource Done)> Queue = Start();

    /// <summary>Runs every action, some at once; completes when all are done, with the first error if any failed.</summary>
    public static async Task RunAllAsync(IReadOnlyCollection<Action> actions)
    {
        var tasks = new List<Task>(actions.Count);
        foreach (Action action in actions)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            tasks.Add(done.Task);
            Queue.Add((action, done));
        }

        await Task.WhenAll(tasks).ConfigureAwait(false);
    }

    private static BlockingCollection<(Action Work, TaskCompletionSource Done)> Start()
    {
        var queue = new BlockingCollection<(Action Work, TaskCompletionSource Done)>();
        for (int i = 0; i < Count; i++)
            new Thread(() => Run(queue)) { IsBackground = true, Name = $"store-flush-{i}" }.Start();
        return queue;
    }

    private static void Run(BlockingCollection<(Action Work, TaskCompletionSource Done)> queue)
    {
        foreach ((Action work, TaskCompletionSource done) in queue.GetConsumingEnumerable())
        {
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
}
