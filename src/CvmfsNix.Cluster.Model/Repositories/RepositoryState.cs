using System.Collections.Immutable;
using System.Diagnostics;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>Objects superseded together.</summary>
/// <param name="At">When their successor was committed: their grace counts from here.</param>
/// <param name="Objects">The objects.</param>
/// <param name="Revision">Who serves this revision or a later one does not need them; 0 = written by a version that did not know.</param>
public sealed record SupersededObjects(DateTimeOffset At, IReadOnlyList<ObjectName> Objects, ulong Revision = 0)
{
    public bool Equals(SupersededObjects? other) => other is not null && At == other.At && Objects.SequenceEqual(other.Objects) && Revision == other.Revision;

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

    /// <summary>When the whitelist was last replaced.</summary>
    public DateTimeOffset WhitelistAt { get; init; } = DateTimeOffset.UnixEpoch;

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

    /// <summary>What is kept though nobody asked for it by name.</summary>
    public RetentionRules Retention { get; init; } = RetentionRules.KeepAll;

    /// <summary>Every generation of every profile that the newest revision has, oldest first.</summary>
    public ImmutableList<ProfileGenerationRecord> Generations { get; init; } = [];

    /// <summary>Paths that are kept up to a time, by name.</summary>
    public ImmutableSortedDictionary<string, PathPin> Pins { get; init; } = ImmutableSortedDictionary.Create<string, PathPin>(StringComparer.Ordinal);

    /// <summary>Paths that were taken back, by name.</summary>
    public ImmutableSortedDictionary<string, Tombstone> Withdrawn { get; init; } = ImmutableSortedDictionary.Create<string, Tombstone>(StringComparer.Ordinal);

    /// <summary>Removals whose objects are still there, oldest first.</summary>
    public ImmutableList<RemovedPaths> Removals { get; init; } = [];

    /// <summary>What this revision or an earlier one removed is gone for good; 0 = nothing is.</summary>
    public ulong ExpiredRemoval { get; init; }

    /// <summary>Revisions whose record files nobody needs.</summary>
    public RevisionSet Forgotten { get; init; } = RevisionSet.Empty;

    /// <summary>Keys that signed manifests after the first one, oldest first.</summary>
    public ImmutableList<SigningKeyChange> KeyChanges { get; init; } = [];

    /// <summary>Certificate object of the key that signs manifests; null before creation.</summary>
    public ObjectHash? Certificate => KeyChanges is [.., var last] ? last.Certificate : Definition?.Certificate;

    /// <summary>Certificate object of the key before it; null when there was none.</summary>
    public ObjectHash? PreviousCertificate => KeyChanges.Count switch
    {
        0 => null,
        1 => Definition?.Certificate,
        _ => KeyChanges[^2].Certificate,
    };

    /// <summary>The state after an event.</summary>
    public RepositoryState Apply(IRepositoryEvent @event) => @event switch
    {
        RepositoryCreated e when Definition is null => this with
        {
            Definition = e.Definition,
            Head = e.Initial.Head,
            WhitelistExpiresAt = e.WhitelistExpiresAt,
            WhitelistAt = e.At,
            ToldAt = e.At,
        },
        LeaderStarted e => this with { Epoch = e.Epoch, Leader = e.Node },
        RevisionCommitted e when Head is { } head && e.Revision.Head.Revision == head.Next => Decide(e.Outcomes, e.Settled, e.At) with
        {
            Head = e.Revision.Head,
            PreviousHead = head,
            ToldAt = Later(ToldAt, e.Revision.Head.PublishedAt),
            Profiles = ProfilesWithout(e.Revision).SetItems(e.Revision.Profiles.Select(p => KeyValuePair.Create(p.Name, p))),
            Generations = Generations.RemoveRange(e.Revision.DroppedGenerations).AddRange(e.Revision.Profiles),
            Removals = e.Revision.PathsRemoved == 0
                ? Removals
                : Removals.Add(new RemovedPaths(e.Revision.Head.Revision, e.At, e.Revision.PathInfoDigest, e.Revision.PathsRemoved)),
            Superseded = e.Revision.Superseded.Count == 0 ? Superseded : Superseded.Add(new SupersededObjects(e.At, e.Revision.Superseded, e.Revision.Head.Revision)),
        },
        KeyRotated e when Head?.Revision == e.State.Head.Revision => Retag(e) with { KeyChanges = KeyChanges.Add(new SigningKeyChange(e.Certificate, e.At)) },
        ITagEvent e when Head?.Revision == e.State.Head.Revision => Retag(e),
        TransactionsDecided e => Decide(e.Outcomes, e.Settled, e.At),
        RepositoryContinued e when Head is { } head && e.After >= head.Revision => this with { Head = head with { ContinueAfter = e.After } },
        WhitelistRenewed e => this with { WhitelistExpiresAt = e.ExpiresAt, WhitelistAt = e.At, ToldAt = Later(ToldAt, e.At) },
        Collected e => this with { Superseded = Without(e.Objects) },
        RetentionSet e => this with { Retention = e.Rules },
        PathsPinned e => Pin(e),
        PathWithdrawn e => this with { Withdrawn = Withdrawn.SetItem(e.Path.Value, new Tombstone(e.Path, e.Reason, e.By, e.At)) },
        RemovalsExpired e => this with { Removals = Removals.RemoveAll(r => r.Revision <= e.UpTo), ExpiredRemoval = Math.Max(ExpiredRemoval, e.UpTo) },
        RecordsForgotten e => this with { Forgotten = Forgotten.Union(e.Revisions) },
        _ => throw new UnreachableException($"The repository {Definition?.Repository} at revision {Head?.Revision ?? 0} has no rule for the event {@event}."),
    };

    /// <summary>Most objects of one <see cref="Collected"/>: it travels as one message.</summary>
    public const int CollectedMax = 10_000;

    /// <summary>What may be collected now; null when nothing is due.</summary>
    /// <param name="keep">How long superseded objects are kept.</param>
    /// <param name="now">The time.</param>
    /// <param name="oldestServed">The oldest revision that a replica still serves, see <see cref="Replicas.CollectionHold"/>; null when none holds anything back.</param>
    public Collected? Collect(TimeSpan keep, DateTimeOffset now, ulong? oldestServed = null)
    {
        var kept = Protected();
        var due = Superseded
            .TakeWhile(s => s.At + keep <= now)
            .Where(s => oldestServed is not { } oldest || oldest >= (s.Revision > 0 ? s.Revision : Head?.Revision ?? 0))
            .SelectMany(s => s.Objects)
            .Where(o => !kept.Contains(o.Hash))
            .Distinct()
            .Take(CollectedMax)
            .ToList();
        return due.Count == 0 ? null : new Collected(due, now);
    }

    /// <summary>
    /// Whether all of a revision is there for certain: of the newest two, of a tagged one, or of one whose catalogs were superseded and not collected
    /// yet, and none of whose paths was removed for good.
    /// </summary>
    /// <param name="root">Its root catalog.</param>
    /// <param name="revision">Its number.</param>
    public bool IsAlive(ObjectHash root, ulong revision) =>
        (Head?.NamedTags ?? []).Any(t => t.RootHash == root)
        || (revision >= ExpiredRemoval && (Protected().Contains(root) || Superseded.Any(s => s.Objects.Any(o => o.Hash == root))));

    /// <summary>Every catalog, tag database and certificate that is kept whatever paths there are: they are not found by following the newest revision.</summary>
    public IReadOnlySet<ObjectHash> KeptByName()
    {
        var kept = Protected();
        kept.UnionWith(Superseded.SelectMany(s => s.Objects).Select(o => o.Hash));
        return kept;
    }

    // A profile that was at a dropped generation goes back to the newest that is left.
    private ImmutableSortedDictionary<string, ProfileGenerationRecord> ProfilesWithout(Revision revision)
    {
        var profiles = Profiles;
        foreach (var name in revision.DroppedGenerations.Where(d => Profiles.GetValueOrDefault(d.Name) == d).Select(d => d.Name))
        {
            var left = Generations.Except(revision.DroppedGenerations).Where(g => g.Name == name).MaxBy(g => g.Generation);
            profiles = left is null ? profiles.Remove(name) : profiles.SetItem(name, left);
        }

        return profiles;
    }

    // Pins that have ended go with the next that is made: by the time of the event, so that a replay gives the same.
    private RepositoryState Pin(PathsPinned e)
    {
        var pins = Pins.RemoveRange([.. Pins.Values.Where(p => p.Until <= e.At).Select(p => p.Path.Value)]).ToBuilder();
        foreach (var path in e.Paths)
        {
            if (!pins.TryGetValue(path.Value, out var known) || known.Until < e.Until)
                pins[path.Value] = new PathPin(path, e.Until, e.By);
        }

        return this with { Pins = pins.ToImmutable() };
    }

    private RepositoryState Retag(ITagEvent e) => this with
    {
        Head = e.State.Head,
        ToldAt = Later(ToldAt, e.State.Head.TaggedAt ?? e.At),
        // A replica that serves this revision may not have the change yet; with the next revision it has.
        Superseded = e.State.Superseded.Count == 0 ? Without(e.State.Kept) : Without(e.State.Kept).Add(new SupersededObjects(e.At, e.State.Superseded, Head!.Next)),
    };

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
            if (head.CommittedHistory is { } committed)
                kept.Add(committed);
            if (head.Previous is { } previous)
                kept.Add(previous.RootHash);
        }

        // Tags of the newest revision only: one that was removed since has had its time like everything that is superseded.
        kept.UnionWith((Head?.NamedTags ?? []).Select(t => t.RootHash));

        if (Definition is { } definition)
            kept.Add(definition.Certificate);
        // A few kilobytes each; a store that starts from nothing, or from a backup, comes by manifests of all of them.
        kept.UnionWith(KeyChanges.Select(k => k.Certificate));
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
