namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>
/// Since when a store has not reached a point of the journal that was known then. Under load a store is always a few events behind, and
/// that is no lag; lag is that one and the same point stays ahead. Not thread-safe.
/// </summary>
public sealed class FollowLag
{
    private long _goal;
    private long _since;

    /// <summary>Notes how far journal and store are.</summary>
    /// <param name="head">The last event of the journal.</param>
    /// <param name="reached">The last event that the store has taken over.</param>
    /// <param name="clock">Measures the time between two calls.</param>
    /// <returns>For how long the store has been behind an event that was the journal's last; zero when it is not.</returns>
    public TimeSpan Observe(long head, long reached, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        if (reached >= _goal)
        {
            _goal = Math.Max(head, reached);
            _since = clock.GetTimestamp();
        }

        return reached >= _goal ? TimeSpan.Zero : clock.GetElapsedTime(_since);
    }
}
