namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>Ids of the journal plugin instances. All use the same tables.</summary>
internal static class JournalPlugins
{
    /// <summary>For ledgers: batches the events of many actors in one database transaction.</summary>
    public const string Shared = "akka.persistence.journal.sql";

    /// <summary>
    /// For those who may lose an append to another leader: one failed event fails everyone in its database batch and trips the instance's
    /// circuit breaker, so writers have an instance of their own with batches of one.
    /// </summary>
    public const string Writer = "akka.persistence.journal.writer";

    /// <summary>For snapshots of all of them.</summary>
    public const string Snapshots = "akka.persistence.snapshot-store.sql";
}
