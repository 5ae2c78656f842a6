namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>A node that said it is a member.</summary>
/// <param name="Address">Remoting address.</param>
/// <param name="SilentFor">Since its last sign of life, by the database's clock.</param>
internal sealed record MemberRow(string Address, TimeSpan SilentFor);

/// <summary>What the database knows of the cluster.</summary>
/// <param name="Incarnation">Counts foundings; 0 = never founded.</param>
/// <param name="Founder">Remoting address of who founded it.</param>
/// <param name="Members">Who said to be a member of this incarnation.</param>
/// <param name="Now">The database's clock.</param>
internal sealed record ClusterRecord(long Incarnation, string Founder, IReadOnlyList<MemberRow> Members, DateTimeOffset Now);

/// <summary>
/// Who belongs to the cluster, kept where all nodes look anyway. It makes founding a cluster an atomic step that one node wins, and only
/// where no member is alive; it decides nothing about who leads or what is committed.
/// </summary>
internal interface IMembershipTable
{
    /// <exception cref="JournalUnavailableException">The database does not answer at present.</exception>
    Task<ClusterRecord> LookAsync(CancellationToken ct);

    /// <summary>Founds the next incarnation with one member, if the last one is still <paramref name="seen"/> and no member of it gave a sign of life within <paramref name="alive"/>.</summary>
    /// <returns>The new incarnation; null when another node was faster or a member is alive.</returns>
    /// <exception cref="JournalUnavailableException">Whether it happened is not known; look again.</exception>
    Task<long?> TryFoundAsync(long seen, string address, TimeSpan alive, CancellationToken ct);

    /// <summary>A sign of life of a member.</summary>
    /// <returns>The database's clock; null when this incarnation was superseded: whoever belongs to it has to join the new one.</returns>
    /// <exception cref="JournalUnavailableException">The database does not answer at present.</exception>
    Task<DateTimeOffset?> BeatAsync(long incarnation, string address, CancellationToken ct);

    /// <summary>The node at this address is no member, or no longer.</summary>
    /// <exception cref="JournalUnavailableException">The database does not answer at present.</exception>
    Task RemoveAsync(string address, CancellationToken ct);
}
