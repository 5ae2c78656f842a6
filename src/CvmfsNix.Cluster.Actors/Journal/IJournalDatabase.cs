namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>How the journal plugins reach the database.</summary>
/// <param name="ConnectionString">May hold a password: never logged.</param>
/// <param name="Provider">The plugins' name of the database product.</param>
/// <param name="Parallelism">Batches one plugin instance writes at the same time.</param>
/// <param name="IsServer">True for a server, whose commits could be cancelled while they wait for a standby.</param>
internal sealed record JournalConnection(string ConnectionString, string Provider, int Parallelism, bool IsServer = false)
{
    public override string ToString() => Provider;
}

/// <summary>The database of the journal: all that is asked of it beside the plugins. Thread-safe.</summary>
internal interface IJournalDatabase
{
    /// <summary>The connection of one plugin instance; instances do not share a pool.</summary>
    JournalConnection ConnectionOf(string plugin);

    /// <summary>Who belongs to the cluster; null where the journal is of one process alone.</summary>
    IMembershipTable? Membership { get; }

    /// <summary>Creates the schema where that is allowed, and checks that commits are durable and that two events cannot share a number.</summary>
    /// <returns>What an operator should know although it works; may be empty.</returns>
    /// <exception cref="JournalException">It cannot be used as it is.</exception>
    /// <exception cref="JournalUnavailableException">It does not answer at present; trying again may help.</exception>
    Task<IReadOnlyList<string>> PrepareAsync(CancellationToken ct);

    /// <summary>The highest sequence number of each of several histories; those without an event are left out.</summary>
    /// <exception cref="JournalUnavailableException">It does not answer at present.</exception>
    Task<IReadOnlyDictionary<string, long>> EndsAsync(IReadOnlyCollection<string> persistenceIds, CancellationToken ct);

    /// <summary>The database's clock.</summary>
    /// <exception cref="JournalUnavailableException">It does not answer at present.</exception>
    Task<DateTimeOffset> NowAsync(CancellationToken ct);
}
