using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>When the grace of removed paths is over. Pure.</summary>
public static class CollectionRules
{
    /// <summary>
    /// The removals whose grace is over: nobody is served a revision from before them, neither clients, nor a registered replica, nor the tag
    /// of the revision before the newest. Null when there is none.
    /// </summary>
    /// <param name="state">The repository.</param>
    /// <param name="grace">How long removed paths can be had back.</param>
    /// <param name="now">The time.</param>
    /// <param name="oldestServed">The oldest revision that a replica still serves; null when none holds anything back.</param>
    public static RemovalsExpired? Expire(RepositoryState state, TimeSpan grace, DateTimeOffset now, ulong? oldestServed)
    {
        ArgumentNullException.ThrowIfNull(state);
        // The tag trunk-previous names the revision before the newest.
        ulong oldest = state.Head?.Previous?.Revision ?? 0;
        if (oldestServed is { } served && served < oldest)
            oldest = served;
        RemovedPaths? last = null;
        // In order: who is past one removal is past all before it.
        foreach (var group in state.Removals)
        {
            if (group.At + grace > now || group.Revision > oldest)
                break;
            last = group;
        }

        return last is null ? null : new RemovalsExpired(last.Revision, now);
    }
}
