namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>Bounds for waiting on something observable; generous, because they only end what would otherwise hang.</summary>
internal static class Deadline
{
    public static readonly TimeSpan Start = TimeSpan.FromSeconds(90);
    public static readonly TimeSpan Publish = TimeSpan.FromSeconds(180);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>Asks until the answer is yes.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, string what, CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > Publish)
                throw new TimeoutException($"Waited {Publish.TotalSeconds:0} s in vain: {what}.");
            await Task.Delay(Interval, cancellationToken);
        }
    }
}
