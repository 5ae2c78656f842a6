using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>
/// The history of a repository, in the writer's journal. Its sequence numbers order everything a node serves, and the journal's unique
/// key on them is what lets one of two writers win. Events are never deleted.
/// </summary>
public interface IRepositoryEvent
{
    /// <summary>When the writer made it.</summary>
    DateTimeOffset At { get; }
}

/// <summary>The first event: format, keys, first whitelist and the empty first revision.</summary>
public sealed record RepositoryCreated(
    RepositoryDefinition Definition, ReadOnlyMemory<byte> Whitelist, DateTimeOffset WhitelistExpiresAt, Revision Initial, DateTimeOffset At) : IRepositoryEvent
{
    public bool Equals(RepositoryCreated? other) => other is not null && Definition == other.Definition
        && Whitelist.Span.SequenceEqual(other.Whitelist.Span) && WhitelistExpiresAt == other.WhitelistExpiresAt && Initial == other.Initial && At == other.At;

    public override int GetHashCode() => HashCode.Combine(Definition, At);
}

/// <summary>A leader began to write. A writer that finds one here that is not its own has lost its leadership.</summary>
/// <param name="Epoch">Counts leaderships of the cluster.</param>
/// <param name="Node">Remoting address of the leader; for people.</param>
/// <param name="At">When.</param>
public sealed record LeaderStarted(ulong Epoch, string Node, DateTimeOffset At) : IRepositoryEvent;

/// <summary>A new revision, with the decisions it was made of.</summary>
/// <param name="Revision">The revision.</param>
/// <param name="Outcomes">Decisions on all transactions of the batch, rejected ones too.</param>
/// <param name="Settled">Transactions decided earlier whose ledgers have recorded the answer meanwhile.</param>
/// <param name="At">When.</param>
public sealed record RevisionCommitted(
    Revision Revision, IReadOnlyList<TransactionOutcome> Outcomes, IReadOnlyList<TransactionId> Settled, DateTimeOffset At) : IRepositoryEvent
{
    public bool Equals(RevisionCommitted? other) => other is not null && Revision == other.Revision
        && Outcomes.SequenceEqual(other.Outcomes) && Settled.SequenceEqual(other.Settled) && At == other.At;

    public override int GetHashCode() => HashCode.Combine(Revision, At);
}

/// <summary>
/// Decisions that need no new revision: nothing new, or rejected. They are written down like the others, so that a later leader can
/// never decide the same transaction differently while the first answer is still on its way.
/// </summary>
public sealed record TransactionsDecided(IReadOnlyList<TransactionOutcome> Outcomes, IReadOnlyList<TransactionId> Settled, DateTimeOffset At) : IRepositoryEvent
{
    public bool Equals(TransactionsDecided? other) => other is not null
        && Outcomes.SequenceEqual(other.Outcomes) && Settled.SequenceEqual(other.Settled) && At == other.At;

    public override int GetHashCode() => HashCode.Combine(Outcomes.Count, At);
}

/// <summary>
/// The journal lost what came after a revision, and nobody has it any more: revisions go on with a number above all that anybody may have seen. Whoever has seen
/// more than that revision has seen what is not in this history.
/// </summary>
/// <param name="Revision">The newest revision of this history.</param>
/// <param name="After">The next one comes after this number.</param>
/// <param name="At">When.</param>
/// <param name="GivenUp">SHA-256 of events that stores had applied and that were given up, in hexadecimal, ascending: a store that has followed one of them follows this history from here on.</param>
public sealed record RepositoryContinued(ulong Revision, ulong After, DateTimeOffset At, IReadOnlyList<string> GivenUp) : IRepositoryEvent
{
    public bool Equals(RepositoryContinued? other) => other is not null
        && Revision == other.Revision && After == other.After && At == other.At && GivenUp.SequenceEqual(other.GivenUp);

    public override int GetHashCode() => HashCode.Combine(Revision, After, At, GivenUp.Count);
}

/// <summary>The whitelist was signed anew.</summary>
public sealed record WhitelistRenewed(ReadOnlyMemory<byte> Whitelist, DateTimeOffset ExpiresAt, DateTimeOffset At) : IRepositoryEvent
{
    public bool Equals(WhitelistRenewed? other) => other is not null
        && Whitelist.Span.SequenceEqual(other.Whitelist.Span) && ExpiresAt == other.ExpiresAt && At == other.At;

    public override int GetHashCode() => HashCode.Combine(ExpiresAt, At);
}

/// <summary>Superseded objects whose grace is over: every store deletes them.</summary>
public sealed record Collected(IReadOnlyList<ObjectName> Objects, DateTimeOffset At) : IRepositoryEvent
{
    public bool Equals(Collected? other) => other is not null && Objects.SequenceEqual(other.Objects) && At == other.At;

    public override int GetHashCode() => HashCode.Combine(Objects.Count, At);
}
