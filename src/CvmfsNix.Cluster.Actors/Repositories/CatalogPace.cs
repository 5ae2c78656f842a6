namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>
/// How soon the next commit may come, by the catalogs that commits store: each stores the catalog of the store directory whole, and in a large repository that is what fills disks and lines. A bucket
/// of bytes: commits one at a time find it full, and a storm of publishes shares revisions (design, "The hot catalog"). Only decisions; not thread-safe.
/// </summary>
/// <param name="bytesPerSecond">What commits may store in the long run; 0 = as much as they like.</param>
/// <param name="clock">Tells how much time has passed.</param>
internal sealed class CatalogPace(long bytesPerSecond, TimeProvider clock)
{
    /// <summary>So much of the rate may be used at once.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromSeconds(8);

    private readonly double _most = bytesPerSecond * Burst.TotalSeconds;
    private double _left = bytesPerSecond * Burst.TotalSeconds;
    private long _at = clock.GetTimestamp();

    /// <summary>How long the next commit is to wait. None while anything is left: what a commit takes is known only when it is made.</summary>
    public TimeSpan Wait
    {
        get
        {
            if (bytesPerSecond == 0)
                return TimeSpan.Zero;
            long now = clock.GetTimestamp();
            _left = Math.Min(_most, _left + (clock.GetElapsedTime(_at, now).TotalSeconds * bytesPerSecond));
            _at = now;
            return _left >= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(-_left / bytesPerSecond);
        }
    }

    /// <summary>A commit has stored catalogs of so many bytes, as they are sent.</summary>
    public void Stored(long bytes) => _left -= bytes;
}
