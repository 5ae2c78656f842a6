using System.Security.Cryptography;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Actors.Telemetry;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Tracing;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>
/// A repository on this node: its store, and how far it follows the journal. Shared by the keeper, the writer and the gateway; thread-safe.
/// </summary>
internal sealed class LocalRepository(RepositoryDefinition definition, IRepositoryBackend backend, IJournalReader journal) : IAsyncDisposable
{
    private const int AppliedTogether = 64;

    private readonly SemaphoreSlim _catchUp = new(1, 1);
    private readonly SemaphoreSlim _writer = new(1, 1);
    private readonly Lock _gate = new();
    private readonly RecentEvents _recent = new();
    private readonly List<(ulong Revision, TaskCompletionSource Done)> _waiters = [];
    private volatile ForgottenUpTo _forgotten = new(0, RevisionSet.Empty);
    private ulong _revision = backend.ServedRevision;
    private long _seen = backend.AppliedSequence;

    public RepositoryDefinition Definition => definition;

    public IRepositoryBackend Backend => backend;

    /// <summary>One writer at a time uses the store's working catalogs, also when the one before was stopped in the middle of its work.</summary>
    public SemaphoreSlim WriterGate => _writer;

    /// <summary>The revision served here.</summary>
    public ulong Revision
    {
        get
        {
            lock (_gate)
                return _revision;
        }
    }

    /// <summary>The last event of the journal that was applied or passed over.</summary>
    public long SeenSequence => Interlocked.Read(ref _seen);

    /// <summary>Why the last attempt to follow the journal failed; null when it went well.</summary>
    public string? Problem { get; private set; }

    /// <summary>Raised after each event that was applied or passed over; handlers return at once.</summary>
    public event Action? Moved;

    /// <summary>Nothing is deleted here until an event says otherwise; known of what was followed since the start.</summary>
    public bool Paused { get; private set; }

    /// <summary>True once the store reached the end of the journal for the first time since the start.</summary>
    public bool CaughtUp { get; private set; }

    /// <summary>
    /// Applies everything the journal holds beyond what this store has, in order; what it lacks for that is taken from other stores. Of several
    /// revisions only the newest is served.
    /// </summary>
    public async Task CatchUpAsync(CancellationToken ct)
    {
        await _catchUp.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (!CaughtUp)
            {
                await RequireSameHistoryAsync(ct).ConfigureAwait(false);
                await ReindexAsync(ct).ConfigureAwait(false);
            }

            var netting = new EventNetting();
            var due = new List<NettedEvent>();
            // Mostly few, and then they are read once.
            var first = await FirstAsync(ct).ConfigureAwait(false);
            var later = first.Count < AppliedTogether ? Later.None.And(first.Select(e => e.Event)) : await LaterAsync(SeenSequence + 1, ct).ConfigureAwait(false);
            if (first.Count < AppliedTogether)
            {
                foreach (var (sequenceNumber, @event) in first)
                    due.AddRange(netting.Add(sequenceNumber, @event).Select(e => e.Knowing(later.Expired, later.Forgotten)));
            }
            else
            {
                await foreach (var (sequenceNumber, @event) in journal.ReadAsync(PersistenceIds.Repository(definition.Repository), SeenSequence + 1, ct).ConfigureAwait(false))
                {
                    due.AddRange(netting.Add(sequenceNumber, (IRepositoryEvent)@event).Select(e => e.Knowing(later.Expired, later.Forgotten)));
                    if (due.Count >= AppliedTogether)
                        await ApplyAsync(due, ct).ConfigureAwait(false);
                }
            }

            due.AddRange(netting.End().Select(e => e.Knowing(later.Expired, later.Forgotten)));
            await ApplyAsync(due, ct).ConfigureAwait(false);
            if (backend.IndexedRevision < Revision)
                await ReindexAsync(ct).ConfigureAwait(false);

            Problem = null;
            CaughtUp = true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Problem = e.Message;
            throw;
        }
        finally
        {
            _catchUp.Release();
        }
    }

    /// <summary>
    /// The events after a sequence number that this store has followed itself, in order and without a gap, at most <paramref name="max"/>. What it
    /// has not followed is not told: whoever is told of an event finds here what it needs.
    /// </summary>
    public async Task<IReadOnlyList<SequencedEvent>> EventsAsync(long after, int max, CancellationToken ct)
    {
        long seen = SeenSequence;
        if (after >= seen)
            return [];
        if (_recent.After(after) is { } recent)
            return [.. recent.Take(max)];
        var events = new List<SequencedEvent>();
        await foreach (var (sequenceNumber, @event) in journal.ReadAsync(PersistenceIds.Repository(definition.Repository), after + 1, ct).ConfigureAwait(false))
        {
            events.Add(new SequencedEvent(sequenceNumber, (IRepositoryEvent)@event));
            if (events.Count == max || sequenceNumber >= seen)
                break;
        }

        return events;
    }

    /// <summary>Whether nothing is left of a revision, as far as this store has followed.</summary>
    public async Task<bool> IsForgottenAsync(ulong revision, CancellationToken ct)
    {
        long seen = SeenSequence;
        var known = _forgotten;
        if (known.Sequence < seen)
            _forgotten = known = new ForgottenUpTo(seen, known.Revisions.Union((await LaterAsync(known.Sequence + 1, ct).ConfigureAwait(false)).Forgotten));
        return known.Revisions.Contains(revision);
    }

    /// <summary>Completes when at least this revision is served here.</summary>
    public Task WaitForRevisionAsync(ulong revision, CancellationToken ct)
    {
        TaskCompletionSource done;
        lock (_gate)
        {
            if (_revision >= revision)
                return Task.CompletedTask;
            done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((revision, done));
        }

        return WaitAsync(done, ct);
    }

    /// <summary>Completes when the event, and everything before it, was applied or passed over here.</summary>
    public async Task WaitForSequenceAsync(long sequence, CancellationToken ct)
    {
        var moved = new SemaphoreSlim(0);
        void Signal() => moved.Release();
        Moved += Signal;
        try
        {
            while (SeenSequence < sequence)
                await moved.WaitAsync(ct).ConfigureAwait(false);
        }
        finally
        {
            Moved -= Signal;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await backend.DisposeAsync().ConfigureAwait(false);
        _catchUp.Dispose();
        _writer.Dispose();
    }

    private async Task WaitAsync(TaskCompletionSource done, CancellationToken ct)
    {
        try
        {
            await done.Task.WaitAsync(ct).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
                _waiters.RemoveAll(w => w.Done == done);
        }
    }

    // What this store has applied was in a journal once. Where the journal is another one, what comes next does not build on what is here: followed all the same,
    // it would replace what was acknowledged and served, under the same numbers. An operator may have given it up.
    private async Task RequireSameHistoryAsync(CancellationToken ct)
    {
        long seen = SeenSequence;
        if (seen == 0)
            return;
        string? foreign = null;
        long last = 0;
        await foreach (var (sequenceNumber, @event) in journal.ReadAsync(PersistenceIds.Repository(definition.Repository), seen, ct).ConfigureAwait(false))
        {
            last = sequenceNumber;
            if (sequenceNumber == seen)
            {
                byte[]? applied = backend.AppliedEvent(seen) is { } kept ? ClusterSerializer.Bytes(kept) : null;
                if (applied is null || applied.AsSpan().SequenceEqual(ClusterSerializer.Bytes(@event)))
                    return;
                foreign = Convert.ToHexStringLower(SHA256.HashData(applied));
            }
            else if (foreign is not null && @event is RepositoryContinued continued && continued.GivenUp.Contains(foreign))
            {
                return;
            }
        }

        string name = definition.Repository.Value;
        throw new JournalBehindException(last < seen
            ? $"the journal of {name} ends before event {seen}, which this store has applied. An old backup of the journal, or a standby that lagged? Bring back the newest journal; or stop all core nodes and mend this one: cvmfsnix repo recover {name}."
            : $"event {seen} of {name} is another in the journal than the one this store has applied: it has followed a journal that went further, or another one. Stop all core nodes, restore the journal as it was before it went on without this store, and mend it with this store as a witness: cvmfsnix repo recover {name} --witness DIR; or start this node with an empty data folder, if what it alone has may be lost.");
    }

    private async Task<IReadOnlyList<SequencedEvent>> FirstAsync(CancellationToken ct)
    {
        var events = new List<SequencedEvent>();
        await foreach (var (sequenceNumber, @event) in journal.ReadAsync(PersistenceIds.Repository(definition.Repository), SeenSequence + 1, ct).ConfigureAwait(false))
        {
            events.Add(new SequencedEvent(sequenceNumber, (IRepositoryEvent)@event));
            if (events.Count == AppliedTogether)
                break;
        }

        return events;
    }

    // What events that are yet to be applied here say of those before them.
    private async Task<Later> LaterAsync(long from, CancellationToken ct)
    {
        var later = Later.None;
        await foreach (var (_, @event) in journal.ReadAsync(PersistenceIds.Repository(definition.Repository), from, ct).ConfigureAwait(false))
            later = later.And([(IRepositoryEvent)@event]);
        return later;
    }

    private sealed record ForgottenUpTo(long Sequence, RevisionSet Revisions);

    /// <summary>What was removed by this revision or an earlier one is gone for good, and of these revisions nothing is left.</summary>
    private sealed record Later(ulong Expired, RevisionSet Forgotten)
    {
        public static readonly Later None = new(0, RevisionSet.Empty);

        public Later And(IEnumerable<IRepositoryEvent> events)
        {
            var (expired, forgotten) = (Expired, Forgotten);
            foreach (var @event in events)
            {
                expired = @event is RemovalsExpired removals ? Math.Max(expired, removals.UpTo) : expired;
                forgotten = @event is RecordsForgotten records ? forgotten.Union(records.Revisions) : forgotten;
            }

            return new Later(expired, forgotten);
        }
    }

    private async Task ApplyAsync(List<NettedEvent> events, CancellationToken ct)
    {
        var started = DateTimeOffset.UtcNow;
        await backend.CompleteAsync(events, ct).ConfigureAwait(false);
        foreach (var (sequenceNumber, @event, effect) in events)
        {
            if (effect == EventEffect.Apply)
                await backend.ApplyAsync(sequenceNumber, @event, ct).ConfigureAwait(false);
            else if (effect == EventEffect.PassRecords)
                await backend.PassRecordsAsync(sequenceNumber, @event, ct).ConfigureAwait(false);
            else if (effect == EventEffect.PassForgotten)
                await backend.PassForgottenAsync(sequenceNumber, @event, ct).ConfigureAwait(false);
            else
                await backend.PassAsync(sequenceNumber, @event, effect == EventEffect.PassWithCatalogs, ct).ConfigureAwait(false);
            _recent.Add(sequenceNumber, @event);
            if (@event is RetentionSet { Rules.Paused: var paused })
                Paused = paused;
            Advance(sequenceNumber, effect == EventEffect.Apply ? (RevisionOf(@event)?.Head ?? (@event as ITagEvent)?.State.Head)?.Revision : null);
            Moved?.Invoke();
        }

        if (PublishSteps.Followed)
        {
            ServedSteps.Tell(
                definition.Repository.Value,
                PublishStep.Serve,
                events.Select(e => e.Event).OfType<RevisionCommitted>().Select(e => (e.At, e.Revision.Head.Revision, (IReadOnlyList<TransactionId>)[.. e.Outcomes.Select(o => o.Id)])),
                started);
        }

        events.Clear();
    }

    // A lost index is rebuilt from the journal: revisions that were applied before the loss, not yet indexed again.
    private async Task ReindexAsync(CancellationToken ct)
    {
        ulong indexed = backend.IndexedRevision;
        if (indexed >= Revision)
            return;
        var forgotten = (await LaterAsync(1, ct).ConfigureAwait(false)).Forgotten;
        await foreach (var (sequenceNumber, @event) in journal.ReadAsync(PersistenceIds.Repository(definition.Repository), 1, ct).ConfigureAwait(false))
        {
            if (sequenceNumber > SeenSequence)
                break;
            if (RevisionOf((IRepositoryEvent)@event) is not { } revision || revision.Head.Revision <= indexed)
                continue;
            if (forgotten.Contains(revision.Head.Revision))
                await backend.ReindexForgottenAsync(revision, ct).ConfigureAwait(false);
            else
                await backend.ReindexAsync(revision, ct).ConfigureAwait(false);
        }
    }

    private void Advance(long sequenceNumber, ulong? revision)
    {
        Interlocked.Exchange(ref _seen, sequenceNumber);
        if (revision is not { } reached)
            return;
        List<TaskCompletionSource> done;
        lock (_gate)
        {
            _revision = reached;
            done = [.. _waiters.Where(w => w.Revision <= reached).Select(w => w.Done)];
        }

        foreach (var waiter in done)
            waiter.TrySetResult();
    }

    private static Revision? RevisionOf(IRepositoryEvent @event) => @event switch
    {
        RepositoryCreated e => e.Initial,
        RevisionCommitted e => e.Revision,
        _ => null,
    };
}
