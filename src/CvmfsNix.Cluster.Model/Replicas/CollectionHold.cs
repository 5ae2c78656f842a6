namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>What replicas keep from being collected. Pure.</summary>
public static class CollectionHold
{
    /// <summary>
    /// A registered replica that was not seen for this long holds nothing back any more: what it serves may lose its catalogs here, and when it
    /// comes back it goes to the newest revision.
    /// </summary>
    public static readonly TimeSpan SeenWithin = TimeSpan.FromDays(1);

    /// <summary>The oldest revision that a replica still serves, or works at before it serves its first; null when none holds anything back.</summary>
    public static ulong? OldestServed(IEnumerable<ReplicaSummary> replicas, DateTimeOffset now) => Oldest(replicas, now)?.Position.Revision;

    /// <summary>The replica of a repository that holds back what others would not: it serves a revision from before the one that the newest follows; null when none does.</summary>
    /// <param name="replicas">Of one repository.</param>
    /// <param name="newest">Its newest revision.</param>
    /// <param name="now">The time.</param>
    public static ReplicaSummary? Holder(IEnumerable<ReplicaSummary> replicas, ulong newest, DateTimeOffset now) =>
        Oldest(replicas, now) is { } oldest && oldest.Position.Revision + 1 < newest ? oldest : null;

    private static ReplicaSummary? Oldest(IEnumerable<ReplicaSummary> replicas, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(replicas);
        return replicas.Where(r => r.Registered && now - r.LastSeenAt < SeenWithin).MinBy(r => r.Position.Revision);
    }
}
