using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>What a store must keep.</summary>
/// <param name="Walked">Root catalogs whose every object is needed: of the newest revision, of the one that is served, of named tags.</param>
/// <param name="ByName">Catalogs and tag databases that are needed whatever paths they hold, where they are here: of superseded revisions that may still be read.</param>
/// <param name="Removals">Record files of removals whose paths can be had back or may still be read.</param>
public sealed record CollectionRoots(IReadOnlyCollection<ObjectHash> Walked, IReadOnlyCollection<ObjectHash> ByName, IReadOnlyCollection<string> Removals)
{
    /// <summary>Root catalogs of which is kept what is here, and nothing is required.</summary>
    public IReadOnlyCollection<ObjectHash> IfThere { get; init; } = [];
}

/// <summary>What a collection did.</summary>
/// <param name="LiveObjects">Objects that are needed.</param>
/// <param name="LiveBytes">Their stored bytes.</param>
/// <param name="YoungObjects">Objects that nothing needs and that are too young to go.</param>
/// <param name="YoungBytes">Their stored bytes.</param>
/// <param name="DeletedObjects">Objects deleted.</param>
/// <param name="DeletedBytes">Their stored bytes.</param>
/// <param name="Catalogs">Catalogs read.</param>
public sealed record CollectionResult(long LiveObjects, long LiveBytes, long YoungObjects, long YoungBytes, long DeletedObjects, long DeletedBytes, long Catalogs)
{
    /// <summary>Objects that were found to be needed by nothing and old enough; those deleted are among them.</summary>
    public long PlannedObjects { get; init; }

    /// <summary>Their stored bytes.</summary>
    public long PlannedBytes { get; init; }

    /// <summary>Of these, how many are not deleted: counted on since, or not their turn yet.</summary>
    public long CollectableObjects => Math.Max(0, PlannedObjects - DeletedObjects);

    /// <summary>Their stored bytes.</summary>
    public long CollectableBytes => Math.Max(0, PlannedBytes - DeletedBytes);
}

/// <summary>What the store holds does not fit what it should hold: nothing was deleted.</summary>
public sealed class DamagedViewException(string message) : Exception(message);
