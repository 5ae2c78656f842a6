using System.Data.Common;
using Akka.Actor;
using Akka.Cluster.Tools.PublishSubscribe;
using Akka.Event;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Steps;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>What a writer needs besides its messages.</summary>
internal sealed record WriterSettings
{
    public required ulong Epoch { get; init; }

    public required string Node { get; init; }

    /// <summary>Told of a lost leadership and of readiness.</summary>
    public required IActorRef Leader { get; init; }

    /// <summary>The ledgers.</summary>
    public required IActorRef Ledgers { get; init; }

    public required LocalRepositories Local { get; init; }

    public required IJournalReader Journal { get; init; }

    public required TimeProvider Clock { get; init; }

    public required int BatchMembersMax { get; init; }

    public required int QueueMax { get; init; }

    public required TimeSpan ReferenceWait { get; init; }

    public required TimeSpan CatalogsKeep { get; init; }

    public required int SnapshotEvery { get; init; }
}

/// <summary>
/// Decides what becomes history of one repository. Every decision is an append at the next sequence number of its persistence id; the journal's
/// unique key lets one of two writers win, so nothing here depends on being alone.
/// <code>
///  recover ──► Starting ──► Idle ──batch──► Preparing ──durable──► Appending ──in the journal──► Adopting ──► Idle
///                 ▲  │ keys missing, journal behind: stays, says why, tries again      │
///                 ╰──╯                                       failed or refused append: the outcome is unknown, the actor
///                                                            stops, nobody is answered; its successor reads the journal
/// </code>
/// </summary>
internal sealed class RepositoryWriter : ReceivePersistentActor, IWithTimers
{
    /// <summary>Asks for the numbers; answered in every phase.</summary>
    public sealed record GetStatus;

    /// <summary>Told to the leader: the repository takes transactions.</summary>
    public sealed record Ready(WriterStatus Status);

    /// <summary>Told to the leader: another leader wrote to the journal.</summary>
    public sealed record LeadershipLost(RepositoryId Repository, ulong Epoch, string Node);

    /// <summary>Told to the leader: this node lacks what it needs to write.</summary>
    public sealed record CannotLead(RepositoryId Repository, string Problem);

    /// <summary>Topic of <see cref="HeadMoved"/>.</summary>
    public const string HeadTopic = "repository-heads";

    /// <summary>A whitelist is renewed when less than this is left: half of its validity.</summary>
    private static readonly TimeSpan WhitelistRenewal = TimeSpan.FromDays(15);

    private static readonly TimeSpan StartAgainAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan DeferredTick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan TellAgainEvery = TimeSpan.FromSeconds(5);
    private const int TellAgainMax = 200;
    private const int TriesAlone = 3;

    private enum Phase
    {
        Starting,
        Idle,
        Preparing,
        Appending,
        Adopting,
    }

    private sealed record Start;

    private sealed record Opened(LocalRepository Repository);

    private sealed record CaughtUp;

    private sealed record InitialPrepared(RepositoryCreated Event);

    private sealed record StartFailed(Exception Cause);

    private sealed record Prepared(long Attempt, PreparedBatch Batch);

    private sealed record PrepareFailed(long Attempt, Exception Cause);

    private sealed record Adopted(long Attempt, Exception? Cause);

    private sealed record ReleaseDeferred;

    private sealed record PrepareAgain;

    private sealed record TellAgain;

    private sealed record Housekeeping;

    private readonly RepositoryDefinition _definition;
    private readonly WriterSettings _settings;
    private readonly CommitQueue _queue;
    private readonly HashSet<TransactionId> _settled = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly IActorRef _mediator = DistributedPubSub.Get(Context.System).Mediator;
    private RepositoryState _state = RepositoryState.Empty;
    private long _snapshotAt;
    private LocalRepository? _local;
    private Task<LocalRepository>? _opening;
    private Task _work = Task.CompletedTask;
    private Phase _phase = Phase.Starting;
    private IReadOnlyList<CommitQueue.Queued> _inFlight = [];
    private IReadOnlyList<TransactionOutcome> _decided = [];
    private long _attempt;
    private int _failures;
    private int _batchMax;
    private bool _resting;
    private string _problem = "The writer is starting.";

    public RepositoryWriter(RepositoryDefinition definition, WriterSettings settings)
    {
        _definition = definition;
        _settings = settings;
        _queue = new CommitQueue(settings.QueueMax);
        _batchMax = settings.BatchMembersMax;
        PersistenceId = PersistenceIds.Repository(definition.Repository);
        JournalPluginId = JournalPlugins.Writer;

        Recover<IRepositoryEvent>(e => _state = _state.Apply(e));
        Recover<SnapshotOffer>(offer =>
        {
            _state = (RepositoryState)offer.Snapshot;
            _snapshotAt = offer.Metadata.SequenceNr;
        });
        Recover<RecoveryCompleted>(_ => Self.Tell(new Start()));

        Command<Start>(_ => Open());
        Command<Opened>(opened => CatchUp(opened.Repository));
        Command<CaughtUp>(_ => CreateOrLead());
        Command<InitialPrepared>(initial => PersistAsync(initial.Event, e =>
        {
            Written(e);
            Lead();
        }));
        Command<StartFailed>(failed => StartAgain(failed.Cause.Message));

        Command<Enqueue>(Take);
        Command<Settled>(settled =>
        {
            if (_state.Unsettled.ContainsKey(settled.Id))
                _settled.Add(settled.Id);
        });
        Command<Prepared>(prepared => prepared.Attempt == _attempt, Append);
        Command<PrepareFailed>(failed => failed.Attempt == _attempt, GiveBack);
        Command<Adopted>(adopted => adopted.Attempt == _attempt, Finish);
        Command<ReleaseDeferred>(_ =>
        {
            _queue.Release();
            TryPrepare();
        });
        Command<PrepareAgain>(_ =>
        {
            _resting = false;
            TryPrepare();
        });
        Command<TellAgain>(_ =>
        {
            foreach (var outcome in _state.Unsettled.Values.Where(o => !_settled.Contains(o.Id)).Take(TellAgainMax))
                _settings.Ledgers.Tell(new Decide(_definition.Repository, outcome));
        });
        Command<Housekeeping>(_ => KeepHouse());
        Command<GetStatus>(_ => Sender.Tell(Status()));
        Command<SaveSnapshotSuccess>(saved => DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1)));
        Command<SaveSnapshotFailure>(failure => _log.Warning("{0}: no journal snapshot: {1}", _definition.Repository, failure.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(_ => { });
        // Late answers of an earlier attempt.
        Command<Prepared>(_ => { });
        Command<PrepareFailed>(_ => { });
        Command<Adopted>(_ => { });
    }

    public override string PersistenceId { get; }

    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _settings.Clock.GetUtcNow();

    protected override void PostStop()
    {
        _stopping.Cancel();
        if (_opening is { } opening)
            _ = LeaveAsync(opening, _work);
        base.PostStop();
    }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) =>
        _log.Warning("{0}: event {1} could not be appended ({2}); whether it is in the journal is not known. Nobody is answered; the journal is read again.", _definition.Repository, sequenceNr, cause.Message);

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        OnPersistFailure(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    // ---- start ----

    private void Open()
    {
        if (_state.Epoch > _settings.Epoch || (_state.Epoch == _settings.Epoch && _state.Leader != _settings.Node))
        {
            _problem = $"Another leader ({_state.Leader}, epoch {_state.Epoch}) writes to this repository.";
            _settings.Leader.Tell(new LeadershipLost(_definition.Repository, _state.Epoch, _state.Leader));
            return;
        }

        if (_local is not null)
        {
            CatchUp(_local);
            return;
        }

        _opening = OpenAsync();
        _opening.PipeTo(Self, success: r => new Opened(r), failure: e => new StartFailed(e));
        return;

        async Task<LocalRepository> OpenAsync()
        {
            var local = await _settings.Local.OpenAsync(_definition, _settings.Journal, _stopping.Token).ConfigureAwait(false);
            await local.WriterGate.WaitAsync(_stopping.Token).ConfigureAwait(false);
            return local;
        }
    }

    private void CatchUp(LocalRepository local)
    {
        _local = local;
        if (local.Backend.AppliedSequence > LastSequenceNr)
        {
            StartAgain($"{PublishingCodes.JournalBehindStores}: the journal of {_definition.Repository} ends at event {LastSequenceNr}, but this node's store has served event {local.Backend.AppliedSequence}. An old backup of the journal? Restore the newest one.");
            return;
        }

        // Cheap checks first; the index must hold every revision of the journal before a batch is decided with it.
        if (local.Backend.KeyProblem() is { } keys)
        {
            StartAgain(keys);
            _settings.Leader.Tell(new CannotLead(_definition.Repository, keys));
            return;
        }

        Run(CatchUpAsync).PipeTo(Self, success: _ => new CaughtUp(), failure: e => new StartFailed(e));
        return;

        async Task<bool> CatchUpAsync()
        {
            await local.Backend.DiscardAsync(_stopping.Token).ConfigureAwait(false);
            await local.CatchUpAsync(_stopping.Token).ConfigureAwait(false);
            return true;
        }
    }

    private void CreateOrLead()
    {
        if (_state.Definition is not null)
        {
            Lead();
            return;
        }

        var now = Now;
        Run(() => CreateAsync(_local!)).PipeTo(Self, success: e => new InitialPrepared(e), failure: e => new StartFailed(e));
        return;

        async Task<RepositoryCreated> CreateAsync(LocalRepository local)
        {
            var whitelist = local.Backend.SignWhitelist(now)
                ?? throw new InvalidOperationException($"{_definition.Repository} cannot be created: its master key is not on this node.");
            var initial = await local.Backend.PrepareInitialAsync(now, _stopping.Token).ConfigureAwait(false);
            return new RepositoryCreated(_definition, whitelist.Bytes, whitelist.ExpiresAt, initial, now);
        }
    }

    private void Lead()
    {
        // A restart within the same leadership goes on under the mark that is there.
        if (_state.Epoch == _settings.Epoch)
            Work();
        else
            PersistAsync(new LeaderStarted(_settings.Epoch, _settings.Node, Now), e =>
            {
                Written(e);
                Work();
            });
    }

    private void Work()
    {
        _phase = Phase.Idle;
        _problem = "";
        Timers.StartPeriodicTimer(nameof(TellAgain), new TellAgain(), TimeSpan.Zero, TellAgainEvery);
        Timers.StartPeriodicTimer(nameof(Housekeeping), new Housekeeping(), TimeSpan.Zero, HousekeepingEvery());
        for (int bucket = 0; bucket < LedgerBucket.Count; bucket++)
            _settings.Ledgers.Tell(new OfferSealed(_definition.Repository, bucket));
        _settings.Leader.Tell(new Ready(Status()));
        Announce();
        TryPrepare();
    }

    private void StartAgain(string problem)
    {
        if (problem != _problem)
            _log.Error("{0}: the writer cannot start: {1}", _definition.Repository, problem);
        _problem = problem;
        Timers.StartSingleTimer(nameof(Start), new Start(), StartAgainAfter);
    }

    // ---- commits ----

    private void Take(Enqueue offer)
    {
        bool full = _phase == Phase.Starting;
        foreach (var transaction in full ? [] : offer.Transactions)
        {
            if (_state.Unsettled.TryGetValue(transaction.Id, out var outcome))
            {
                // Its ledger will be told once the answer is not only in memory: an outcome of the state is in the journal.
                _settings.Ledgers.Tell(new Decide(_definition.Repository, outcome));
            }
            else if (!_state.Settled.Contains(transaction.Id) && !_inFlight.Any(q => q.Transaction.Id == transaction.Id))
            {
                full |= !_queue.TryAdd(transaction, Now);
            }
        }

        if (full)
            _settings.Ledgers.Tell(new WriterBusy(offer.Repository, offer.Bucket, TimeSpan.FromSeconds(1)));
        TryPrepare();
    }

    private void TryPrepare()
    {
        if (_phase != Phase.Idle || _resting || _queue.Ready == 0)
            return;
        _phase = Phase.Preparing;
        _inFlight = _queue.Take(_batchMax);
        var attempt = ++_attempt;
        var now = Now;
        var batch = _inFlight.Select(q => q.Transaction).ToList();
        var head = _state.Head!;
        Run(() => _local!.Backend.PrepareAsync(head, batch, now, _stopping.Token))
            .PipeTo(Self, success: b => new Prepared(attempt, b), failure: e => new PrepareFailed(attempt, e));
    }

    private void Append(Prepared prepared)
    {
        _failures = 0;
        _batchMax = Math.Min(_batchMax * 2, _settings.BatchMembersMax);
        var decided = new List<TransactionOutcome>();
        var deferred = new List<CommitQueue.Queued>();
        foreach (var (queued, outcome) in _inFlight.Zip(prepared.Batch.Outcomes))
        {
            bool patient = outcome.Reason?.Code == RejectionCodes.MissingReference && (queued.Tries == 1 || Now < queued.ArrivedAt + _settings.ReferenceWait);
            if (patient)
                deferred.Add(queued);
            else
                decided.Add(outcome);
        }

        _inFlight = [.. _inFlight.Except(deferred)];
        deferred.ForEach(_queue.Defer);
        if (deferred.Count > 0)
            Timers.StartSingleTimer(nameof(ReleaseDeferred), new ReleaseDeferred(), DeferredTick);
        if (decided.Count == 0)
        {
            _inFlight = [];
            _phase = Phase.Idle;
            TryPrepare();
            return;
        }

        _decided = decided;
        var settled = _settled.ToList();
        _phase = Phase.Appending;
        StepProbe.At(StepNames.AppendBefore, _definition.Repository.Value);
        if (prepared.Batch.Revision is { } revision)
            PersistAsync(new RevisionCommitted(revision, decided, settled, Now), e => Appended(e, revision));
        else
            PersistAsync(new TransactionsDecided(decided, settled, Now), e => Appended(e, null));
    }

    private void Appended(IRepositoryEvent @event, Revision? revision)
    {
        Written(@event);
        StepProbe.At(StepNames.AppendAfter, _definition.Repository.Value);
        foreach (var id in _settled.Where(id => !_state.Unsettled.ContainsKey(id)).ToList())
            _settled.Remove(id);
        Announce();
        if (revision is null)
        {
            Answer();
            return;
        }

        _phase = Phase.Adopting;
        var attempt = _attempt;
        Run(async () =>
        {
            await _local!.Backend.AdoptAsync(revision, _stopping.Token).ConfigureAwait(false);
            return true;
        }).PipeTo(Self, success: _ => new Adopted(attempt, null), failure: e => new Adopted(attempt, e));
    }

    private void Finish(Adopted adopted)
    {
        Answer();
        if (adopted.Cause is not { } cause)
        {
            _queue.Release();
            TryPrepare();
            return;
        }

        // It is history whatever happened to our working copies; a fresh start rebuilds them.
        _log.Error(cause, "{0}: the committed revision {1} could not be taken over; the writer starts anew", _definition.Repository, _state.Head?.Revision);
        Context.Stop(Self);
    }

    private void Answer()
    {
        foreach (var outcome in _decided)
            _settings.Ledgers.Tell(new Decide(_definition.Repository, outcome));
        _decided = [];
        _inFlight = [];
        _phase = Phase.Idle;
        TryPrepare();
    }

    // What cannot be prepared alone, for a reason that is not the machine's, never can: it is rejected, lest it hold up the queue and
    // its builder for ever. Until it is alone, batches get smaller, so that the others are committed.
    private void GiveBack(PrepareFailed failed)
    {
        bool passes = failed.Cause is IOException or UnauthorizedAccessException or DbException or IndexBehindException or IncompleteStoreException or OperationCanceledException;
        if (!passes && _inFlight is [var alone] && ++_failures >= TriesAlone)
        {
            _log.Error(failed.Cause, "{0}: transaction {1} cannot be prepared and is rejected", _definition.Repository, alone.Transaction.Id);
            _failures = 0;
            var head = _state.Head!;
            _decided =
            [
                new TransactionOutcome(
                    alone.Transaction.Id, TransactionStatus.Rejected, false, head.Revision, head.RootHash.ToString(), 0, 0, KeptContent.None, 0,
                    new Model.Transactions.Rejection("CannotCommit", $"The transaction could not be turned into a revision: {failed.Cause.Message}", _definition.Repository.Value, "publish again; if it is refused again, the log of the node that leads tells why")),
            ];
            _phase = Phase.Appending;
            PersistAsync(new TransactionsDecided(_decided, [.. _settled], Now), e => Appended(e, null));
            return;
        }

        _batchMax = Math.Max(1, _inFlight.Count / 2);
        _queue.Return(_inFlight);
        _inFlight = [];
        _phase = Phase.Idle;
        _failures = passes ? Math.Min(_failures + 1, 10) : _failures;
        var pause = TimeSpan.FromMilliseconds(Math.Min(100 << _failures, 30_000));
        _log.Error(failed.Cause, "{0}: a batch could not be prepared (try {1}); again in {2}", _definition.Repository, _failures, pause);
        _resting = true;
        Timers.StartSingleTimer(nameof(PrepareAgain), new PrepareAgain(), pause);
    }

    // ---- upkeep ----

    private void KeepHouse()
    {
        if (_phase != Phase.Idle)
            return;
        if (_state.Collect(_settings.CatalogsKeep, Now) is { } collected)
            Upkeep(collected);
        else if (_state.WhitelistExpiresAt - Now < WhitelistRenewal && _local!.Backend.SignWhitelist(Now) is { } fresh)
            Upkeep(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now));
    }

    private void Upkeep(IRepositoryEvent @event)
    {
        _phase = Phase.Appending;
        PersistAsync(@event, e =>
        {
            Written(e);
            Announce();
            _phase = Phase.Idle;
            KeepHouse();
            TryPrepare();
        });
    }

    private TimeSpan HousekeepingEvery()
    {
        var every = _settings.CatalogsKeep / 4;
        return every < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : every > TimeSpan.FromMinutes(5) ? TimeSpan.FromMinutes(5) : every;
    }

    private void Written(IRepositoryEvent @event)
    {
        _state = _state.Apply(@event);
        if (LastSequenceNr - _snapshotAt >= _settings.SnapshotEvery)
        {
            _snapshotAt = LastSequenceNr;
            SaveSnapshot(_state);
        }
    }

    private void Announce() =>
        _mediator.Tell(new Publish(HeadTopic, new HeadMoved(_definition.Repository, LastSequenceNr, _state.Head?.Revision ?? 0)));

    private WriterStatus Status() => new(
        _definition.Repository,
        LastSequenceNr,
        _state.Head?.Revision ?? 0,
        _state.Head?.RootHash.ToString() ?? "",
        _state.Head?.PublishedAt ?? DateTimeOffset.UnixEpoch,
        _state.Head?.Paths ?? 0,
        _state.WhitelistExpiresAt,
        _queue.Count,
        _inFlight.Count,
        _problem);

    private Task<T> Run<T>(Func<Task<T>> work)
    {
        var task = Task.Run(work);
        _work = task;
        return task;
    }

    // Work on the store goes on for a moment after the actor was stopped; its successor must not start before that has ended.
    private static async Task LeaveAsync(Task<LocalRepository> opening, Task work)
    {
        await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (opening.IsCompletedSuccessfully)
            opening.Result.WriterGate.Release();
    }
}
