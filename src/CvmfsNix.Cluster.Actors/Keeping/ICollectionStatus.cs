using CvmfsNix.Cluster.Store.Collection;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>How the collection of objects from this node's stores goes. Thread-safe.</summary>
public interface ICollectionStatus
{
    /// <summary>Of a repository; <see cref="CollectionStatus.Never"/> when there was none since the start.</summary>
    CollectionStatus Of(string repository);

    /// <summary>What was deleted since the start, by runs that ended.</summary>
    (long Objects, long Bytes) DeletedOf(string repository) => (0, 0);

    /// <summary>Starts one soon instead of at its time.</summary>
    void RunSoon(string repository);
}

/// <summary>A collection from one store.</summary>
/// <param name="Running">It is under way.</param>
/// <param name="StartedAt">When it, or the last one, began; the Unix epoch = never.</param>
/// <param name="EndedAt">When the last one ended.</param>
/// <param name="Result">Of the last one that ended well; null = none did.</param>
/// <param name="Problem">Why the last one ended without deleting; empty = it ended well.</param>
public sealed record CollectionStatus(bool Running, DateTimeOffset StartedAt, DateTimeOffset EndedAt, CollectionResult? Result, string Problem)
{
    /// <summary>None since the start.</summary>
    public static CollectionStatus Never { get; } = new(false, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, null, "");
}
