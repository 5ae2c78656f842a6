using System.Collections.Immutable;
using System.Diagnostics;
using CvmfsNix.Cluster.Model.Ids;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>A remembered transaction: sealed, and decided when <paramref name="Outcome"/> is set.</summary>
public sealed record LedgerEntry(SealedTransaction Transaction, TransactionOutcome? Outcome);

/// <summary>
/// What a ledger has in its journal: every transaction sealed or concluded within the retention, with its decision.
/// Changed by events only; <see cref="Answer"/> says what a message gets and which event it needs first.
/// </summary>
public sealed record LedgerState
{
    /// <summary>A ledger without history.</summary>
    public static readonly LedgerState Empty = new();

    /// <summary>Remembered transactions.</summary>
    public ImmutableDictionary<TransactionId, LedgerEntry> Entries { get; init; } = ImmutableDictionary<TransactionId, LedgerEntry>.Empty;

    /// <summary>Ids created before this may have been forgotten and are never accepted again, whatever the clock says.</summary>
    public DateTimeOffset ForgottenBefore { get; init; } = DateTimeOffset.UnixEpoch;

    /// <summary>Sealed transactions without a decision.</summary>
    public ImmutableHashSet<TransactionId> Undecided { get; init; } = [];

    /// <summary>
    /// The answer to a message, given what is open in memory. An event that comes with it must be in the journal before the
    /// answer leaves. <see cref="Waiting"/> as the answer to a seal means: answer later, with the decision.
    /// </summary>
    public (IReply Reply, ILedgerEvent? Event) Answer(ITransactionMessage message, OpenTransactions open, LedgerLimits limits, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(open);
        ArgumentNullException.ThrowIfNull(limits);
        var entry = Entries.GetValueOrDefault(message.Id);
        return message switch
        {
            Begin begin when entry is not null => (Known(entry, begin.Digest), null),
            Begin begin => (OpenReply(begin, open, limits, now), null),
            Seal seal when entry is not null => (Known(entry, seal.Transaction.Digest), null),
            Seal seal => SealReply(seal.Transaction, open, limits, now),
            Conclude conclude when entry is not null => (Known(entry, conclude.Transaction.Digest), null),
            Conclude conclude => Refuse(conclude.Id, conclude.Transaction.Digest, open, limits, now) is { } refusal
                ? (refusal, null)
                : (new Decided(conclude.Outcome), new TransactionConcluded(conclude.Transaction, conclude.Outcome, now)),
            Abort when entry is { Outcome: null } => (new TooLateToAbort(message.Id), null),
            Abort when entry is { Outcome: { } outcome } => (new Decided(outcome), null),
            Abort => (new Aborted(message.Id), null),
            GetTransaction when entry is { Outcome: { } outcome } => (new Decided(outcome), null),
            GetTransaction when entry is not null => (new Waiting(message.Id), null),
            GetTransaction => (open.Status(message.Id, now) is { } status ? new NotSealed(message.Id, status) : new Unknown(message.Id), null),
            Decide { Outcome: var outcome } when entry is { Outcome: null } => (new Decided(outcome), new TransactionDecided(outcome, now)),
            Decide { Outcome: var outcome } => (new Decided(entry?.Outcome ?? outcome), null),
            _ => throw new UnreachableException($"A ledger has no answer to {message.GetType().Name}."),
        };
    }

    /// <summary>The state after an event.</summary>
    public LedgerState Apply(ILedgerEvent @event) => @event switch
    {
        TransactionSealed e => this with
        {
            Entries = Entries.SetItem(e.Transaction.Id, new LedgerEntry(e.Transaction, null)),
            Undecided = Undecided.Add(e.Transaction.Id),
        },
        TransactionDecided e when Entries.TryGetValue(e.Outcome.Id, out var entry) => this with
        {
            Entries = Entries.SetItem(e.Outcome.Id, entry with { Outcome = e.Outcome }),
            Undecided = Undecided.Remove(e.Outcome.Id),
        },
        TransactionConcluded e => this with { Entries = Entries.SetItem(e.Transaction.Id, new LedgerEntry(e.Transaction, e.Outcome)) },
        TransactionsForgotten e => this with
        {
            Entries = Entries.RemoveRange(Entries.Where(p => IsForgettable(p.Value, e.CreatedBefore)).Select(p => p.Key)),
            ForgottenBefore = e.CreatedBefore > ForgottenBefore ? e.CreatedBefore : ForgottenBefore,
        },
        _ => throw new UnreachableException($"A ledger has no rule for the event {@event}."),
    };

    /// <summary>The event that forgets finished transactions past the retention; null when there are none.</summary>
    public TransactionsForgotten? Forget(LedgerLimits limits, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(limits);
        var before = now - limits.Retention - LedgerLimits.ForgetMargin;
        return Entries.Values.Any(e => IsForgettable(e, before)) ? new TransactionsForgotten(before) : null;
    }

    private static bool IsForgettable(LedgerEntry entry, DateTimeOffset before) => entry.Outcome is not null && entry.Transaction.Id.CreatedAt < before;

    private static IReply Known(LedgerEntry entry, RequestDigest digest) =>
        entry.Transaction.Digest != digest ? new IdReused(entry.Transaction.Id)
        : entry.Outcome is { } outcome ? new Decided(outcome)
        : new Waiting(entry.Transaction.Id);

    private IReply OpenReply(Begin begin, OpenTransactions open, LedgerLimits limits, DateTimeOffset now) =>
        Refuse(begin.Id, begin.Digest, open, limits, now)
        ?? (begin.Register && !open.Contains(begin.Id) && open.Count >= limits.OpenMax ? new Overloaded(begin.Id, LedgerLimits.RetryAfter) : new Opened());

    private (IReply Reply, ILedgerEvent? Event) SealReply(SealedTransaction transaction, OpenTransactions open, LedgerLimits limits, DateTimeOffset now) =>
        Refuse(transaction.Id, transaction.Digest, open, limits, now) is { } refusal ? (refusal, null)
        : Undecided.Count >= limits.SealedMax ? (new Overloaded(transaction.Id, LedgerLimits.RetryAfter), null)
        : (new Waiting(transaction.Id), new TransactionSealed(transaction, now));

    private IReply? Refuse(TransactionId id, RequestDigest digest, OpenTransactions open, LedgerLimits limits, DateTimeOffset now)
    {
        if (open.IsReused(id, digest))
            return new IdReused(id);
        if (open.Status(id, now) == TransactionStatus.Aborted)
            return new NotSealed(id, TransactionStatus.Aborted);
        var oldest = now - limits.Retention;
        if (oldest < ForgottenBefore)
            oldest = ForgottenBefore;
        if (id.CreatedAt < oldest)
            return new TooOld(id, oldest);
        return id.CreatedAt > now + LedgerLimits.ClockAheadMax ? new FromTheFuture(id, now + LedgerLimits.ClockAheadMax) : null;
    }
}
