using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Control;

/// <summary>
/// Decides how long to try again. Waits double from 100 ms to 3 s with some chance in them, so that many builders do not
/// come back all at once; nobody comes back before a server's own advice. Not thread-safe.
/// </summary>
/// <param name="clock">The clock that limits are measured with.</param>
/// <param name="limit">Total time for all attempts; null = none.</param>
/// <param name="patience">Time without any success after which it gives up although no limit was set.</param>
/// <param name="unreachableAttempts">How often nobody may answer in a row; null = only time counts.</param>
internal sealed class RetryPolicy(TimeProvider clock, TimeSpan? limit, TimeSpan patience, int? unreachableAttempts)
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(3);

    private readonly long _start = clock.GetTimestamp();
    private long _lastSuccess = clock.GetTimestamp();
    private int _attempts;
    private int _unreachable;

    /// <summary>Something worked: patience starts anew.</summary>
    public void Succeeded()
    {
        _lastSuccess = clock.GetTimestamp();
        _attempts = 0;
        _unreachable = 0;
    }

    /// <summary>What is left of the limit; null = no limit.</summary>
    public TimeSpan? Remaining => limit is { } total ? total - clock.GetElapsedTime(_start) : null;

    /// <summary>How long to wait before the next attempt at the server that failed, or null to give up.</summary>
    public TimeSpan? NextWait(CliException failure) => NextWait(failure, failure.RetryAfter);

    /// <summary>The same for an attempt at another server.</summary>
    /// <param name="failure">What the last attempt ended with.</param>
    /// <param name="advice">How long that other server wants to be left alone; null = it has not said so.</param>
    public TimeSpan? NextWait(CliException failure, TimeSpan? advice)
    {
        if (!failure.Transient)
            return null;
        _unreachable = failure.Unreachable ? _unreachable + 1 : 0;
        if (unreachableAttempts is { } most && _unreachable >= most)
            return null;

        double doubled = FirstWait.TotalMilliseconds * Math.Pow(2, Math.Min(_attempts++, 10));
        double wait = Math.Min(doubled, LongestWait.TotalMilliseconds) * (0.75 + (Random.Shared.NextDouble() / 2));
        TimeSpan next = TimeSpan.FromMilliseconds(wait);
        // Never earlier than advised, and not all builders at the advised moment.
        if (advice is { } advised && advised > next)
            next = advised * (1 + (Random.Shared.NextDouble() / 2));

        TimeSpan left = limit is null ? patience - clock.GetElapsedTime(_lastSuccess) : limit.Value - clock.GetElapsedTime(_start);
        return next < left ? next : null;
    }
}
