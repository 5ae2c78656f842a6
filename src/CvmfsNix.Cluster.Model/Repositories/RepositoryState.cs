using System.Collections.Immutable;
using System.Diagnostics;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>Objects superseded together.</summary>
/// <param name="At">When their successor was committed: their grace counts from here.</param>
/// <param name="Objects">The objects.</param>
public sealed record SupersededObjects(DateTimeOffset At, IReadOnlyList<ObjectName> Objects)
{
    public bool Equals(SupersededObjects? other) => other is not null && At == other.At && Objects.SequenceEqual(other.Objects);

    public override int GetHashCode() => HashCode.Combine(At, Objects.Count);
}

/// <summary>Transactions whose confirmations were written down together.</summary>
public sealed record SettledTransactions(DateTimeOffset At, IReadOnlyList<TransactionId> Ids)
{
    public bool Equals(SettledTransactions? other) => other is not null && At == other.At && Ids.SequenceEqual(other.Ids);

    public override int GetHashCode() => HashCode.Combine(At, Ids.Count);
}

/// <summary>
/// A repository as its writer knows it: a function of the events and of nothing else, so that a replay gives what a live writer had.
/// The path index is not part of it; it lies in the stores.
/// </summary>
public sealed record RepositoryState
{
    /// <summary>Before the first event.</summary>
    public static readonly RepositoryState Empty = new();

    /// <summary>What creation fixed; null before it.</summary>
    public RepositoryDefinition? Definition { get; init; }

    /// <summary>Current revision; null before creation.</summary>
    public RevisionHead? Head { get; init; }

    /// <summary>The revision before, whose objects stay for clients that come from it.</summary>
    public RevisionHead? PreviousHead { get; init; }

    /// <summary>Epoch of the last leader that wrote here.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Its address.</summary>
    public string Leader { get; init; } = "";

    /// <summary>End of the whitelist's validity.</summary>
    public DateTimeOffset WhitelistExpiresAt { get; init; }

    /// <summary>The newest time clients were told, by a manifest or a whitelist: a clock before it is behind.</summary>
    public DateTimeOffset ToldAt { get; init; } = DateTimeOffset.UnixEpoch;

    /// <summary>Decided transactions whose ledgers have not confirmed yet.</summary>
    public ImmutableDictionary<TransactionId, TransactionOutcome> Unsettled { get; init; } = ImmutableDictionary<TransactionId, TransactionOutcome>.Empty;

    /// <summary>
    /// Transactions whose ledgers confirmed lately. An offer that was overtaken by its confirmation must not be decided again; after
    /// <see cref="SettledMemory"/> none can be on its way any more.
    /// </summary>
    public ImmutableHashSet<TransactionId> Settled { get; init; } = [];

    /// <summary>The same by time, oldest first.</summary>
    public ImmutableList<SettledTransactions> SettledAt { get; init; } = [];

    /// <summary>How long a confirmed transaction is remembered, by the time of events.</summary>
    public static readonly TimeSpan SettledMemory = TimeSpan.FromMinutes(1);

    /// <summary>Latest generation of every profile.</summary>
    public ImmutableSortedDictionary<string, ProfileGenerationRecord> Profiles { get; init; } =
        ImmutableSortedDictionary.Create<string, ProfileGenerationRecord>(StringComparer.Ordinal);

    /// <summary>Superseded objects that were not collected yet, oldest first.</summary>
    public ImmutableList<SupersededObjects> Superseded { get; init; } = [];

    /// <summary>The state after an event.</summary>
    public RepositoryState Apply(IRepositoryEvent @event) => @event switch
    {
        RepositoryCreated e when Definition is null => this with
        {
            Definition = e.Definition,
            Head = e.Initial.Head,
            WhitelistExpiresAt = e.WhitelistExpiresAt,
            ToldAt = e.At,
        },
        LeaderStarted e => this with { Epoch = e.Epoch, Leader = e.Node },
        RevisionCommitted e when Head is { } head && e.Revision.Head.Revision == head.Revision + 1 => Decide(e.Outcomes, e.Settled, e.At) with
        {
            Head = e.Revision.Head,
            PreviousHead = head,
            ToldAt = Later(ToldAt, e.Revision.Head.PublishedAt),
            Profiles = Profiles.SetItems(e.Revision.Profiles.Select(p => KeyValuePair.Create(p.Name, p))),
            Superseded = e.Revision.Superseded.Count == 0 ? Superseded : Superseded.Add(new SupersededObjects(e.At, e.Revision.Superseded)),
        },
        TransactionsDecided e => Decide(e.Outcomes, e.Settled, e.At),
        WhitelistRenewed e => this with { WhitelistExpiresAt = e.ExpiresAt, ToldAt = Later(ToldAt, e.At) },
        Collected e => this with { Superseded = Without(e.Objects) },
        _ => throw new UnreachableException($"The repository {Definition?.Repository} at revision {Head?.Revision ?? 0} has no rule for the event {@event}."),
    };

    /// <summary>What may be collected now; null when nothing is due.</summary>
    /// <param name="keep">How long superseded objects are kept.</param>
    /// <param name="now">The time.</param>
    public Collected? Collect(TimeSpan keep, DateTimeOffset now)
    {
        var kept = Protected();
        var due = Superseded.TakeWhile(s => s.At + keep <= now).SelectMany(s => s.Objects).Where(o => !kept.Contains(o.Hash)).Distinct().ToList();
        return due.Count == 0 ? null : new Collected(due, now);
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;

    private HashSet<ObjectHash> Protected()
    {
        var kept = new HashSet<ObjectHash>();
        foreach (var head in new[] { Head, PreviousHead })
        {
            if (head is null)
                continue;
            kept.Add(head.RootHash);
            kept.Add(head.StoreCatalog);
            kept.Add(head.History);
            if (head.Previous is { } previous)
                kept.Add(previous.RootHash);
            kept.UnionWith(head.NamedTags.Select(t => t.RootHash));
        }

        if (Definition is { } definition)
            kept.Add(definition.Certificate);
        return kept;
    }

    private RepositoryState Decide(IReadOnlyList<TransactionOutcome> outcomes, IReadOnlyList<TransactionId> settled, DateTimeOffset at)
    {
        var known = Settled.ToBuilder();
        var groups = SettledAt;
        while (groups.Count > 0 && groups[0].At + SettledMemory < at)
        {
            known.ExceptWith(groups[0].Ids);
            groups = groups.RemoveAt(0);
        }

        if (settled.Count > 0)
        {
            known.UnionWith(settled);
            groups = groups.Add(new SettledTransactions(at, settled));
        }

        return this with
        {
            Unsettled = Unsettled.RemoveRange(settled).SetItems(outcomes.Select(o => KeyValuePair.Create(o.Id, o))),
            Settled = known.ToImmutable(),
            SettledAt = groups,
        };
    }

    private ImmutableList<SupersededObjects> Without(IReadOnlyList<ObjectName> collected)
    {
        var gone = collected.ToHashSet();
        return [.. Superseded
            .Select(s => s with { Objects = [.. s.Objects.Where(o => !gone.Contains(o))] })
            .Where(s => s.Objects.Count > 0)];
    }
}
