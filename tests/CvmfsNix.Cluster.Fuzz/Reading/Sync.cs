namespace CvmfsNix.Cluster.Fuzz.Reading;

/// <summary>Runs asynchronous readers over streams that never wait, on the calling thread, where allocation is counted.</summary>
public static class Sync
{
    /// <summary>The result of a task that is done.</summary>
    public static T Run<T>(ValueTask<T> task) => task.IsCompleted ? task.GetAwaiter().GetResult() : throw new InvalidOperationException("A stream in memory made its reader wait.");

    /// <summary>Waits for a task that is done.</summary>
    public static void Run(ValueTask task)
    {
        if (!task.IsCompleted)
            throw new InvalidOperationException("A stream in memory made its reader wait.");
        task.GetAwaiter().GetResult();
    }
}
