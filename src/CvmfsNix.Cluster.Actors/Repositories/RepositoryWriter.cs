using Akka.Actor;
using Akka.Cluster.Tools.PublishSubscribe;
using Akka.Event;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

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
internal sealed partial class RepositoryWriter : ReceivePersistentActor, IWithTimers
{
    /// <summary>Asks for the numbers; answered in every phase.</summary>
    public sealed record GetStatus;

    /// <summary>Told to the leader: the repository takes transactions.</summary>
    public sealed record Ready(WriterStatus Status);

    /// <summary>Told to the leader: another leader wrote to the journal.</summary>
    public sealed record LeadershipLost(RepositoryId Repository, ulong Epoch, string Node);

    /// <summary>Told to the leader: this node lacks what it needs to write.</summary>
    public sealed record CannotLead(RepositoryId Repository, string Problem);

    /// <summary>Told to the leader, again with every attempt: commits fail because this node's disk is full.</summary>
    public sealed record HasNoSpace(RepositoryId Repository, string Problem);

    /// <summary>Topic of <see cref="HeadMoved"/>.</summary>
    public const string HeadTopic = "repository-heads";

    /// <summary>A whitelist is renewed when less than this is left: half of its validity.</summary>
    private static readonly TimeSpan WhitelistRenewal = TimeSpan.FromDays(15);

    /// <summary>It costs a look at the state, and somebody may be waiting for the whitelist whose key was just brought.</summary>
    private static readonly TimeSpan HousekeepingMax = TimeSpan.FromSeconds(10);

    /// <summary>A repository whose newest revision is younger has its catalogs opened before the first publish to a new leader.</summary>
    private static readonly TimeSpan WarmedFor = TimeSpan.FromHours(1);

    private static readonly TimeSpan ObstacleTick = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan StartAgainAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan DeferredTick = TimeSpan.FromMilliseconds(200);

    /// <summary>What waits for stores is tried again after this; a store that came back is noticed by then.</summary>
    private static readonly TimeSpan PutOffTick = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// What waits for room on the disk is tried again after this at the latest: somebody who makes room waits for it, the leader gives its place
    /// up only when it is told of it after its shortest tenure, and a try that fails at once costs little.
    /// </summary>
    private static readonly TimeSpan DiskTick = TimeSpan.FromSeconds(1);

    /// <summary>How long a full disk may be an accident of the moment: a log that is rotated, an archive that is moved.</summary>
    private static readonly TimeSpan DiskPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan TellAgainEvery = TimeSpan.FromSeconds(5);
    private const int TellAgainMax = 200;

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

    private sealed record CaughtUp(long Applied, string Store);

    private sealed record Counted(long Last, CaughtUp Stores);

    private sealed record InitialPrepared(RepositoryCreated Event);

    private sealed record StartFailed(Exception Cause);

    private sealed record Prepared(long Attempt, PreparedBatch Batch, IReadOnlyDictionary<TransactionId, string> PutOff);

    private sealed record PrepareFailed(long Attempt, Exception Cause);

    private sealed record Adopted(long Attempt, Exception? Cause);

    private sealed record ReleaseDeferred;

    private sealed record PrepareAgain;

    private sealed record TellAgain;

    private sealed record Housekeeping;

    private readonly RepositoryDefinition _definition;
    private readonly WriterSettings _settings;
    private readonly CommitQueue _queue;
    private readonly BatchPacing _pacing;
    private readonly CatalogPace _catalogPace;
    private readonly HashSet<TransactionId> _settled = [];
    private readonly HashSet<TransactionId> _putOff = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly IActorRef _mediator = DistributedPubSub.Get(Context.System).Mediator;
    private RepositoryState _state = RepositoryState.Empty;
    private long _snapshotAt;
    private LocalRepository? _local;
    private Task<LocalRepository>? _opening;
    private Task _work = Task.CompletedTask;
    private Task _warming = Task.CompletedTask;
    private Phase _phase = Phase.Starting;
    private IReadOnlyList<CommitQueue.Queued> _inFlight = [];
    private List<TransactionOutcome> _decided = [];
    private long _attempt;
    private bool _resting;
    private long? _diskFullSince;
    private string _problem = "The writer is starting.";
    private string _problemCode = "";
    private string _warned = "";
    private string _heldFor = "";

    public RepositoryWriter(RepositoryDefinition definition, WriterSettings settings)
    {
        _definition = definition;
        _settings = settings;
        _queue = new CommitQueue(settings.QueueMax);
        _pacing = new BatchPacing(settings.BatchMembersMax);
        _catalogPace = new CatalogPace(settings.CatalogBytesPerSecond, settings.Clock);
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
        Command<CaughtUp>(Compare);
        Command<Counted>(Judge);
        Command<InitialPrepared>(initial => PersistAsync(initial.Event, e =>
        {
            Written(e);
            Lead();
        }));
        Command<StartFailed>(failed => StartAgain(failed.Cause.Message, failed.Cause is JournalBehindException ? PublishingCodes.JournalBehindStores : ""));

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
        TakeTags();
        WatchLedgers();
        TakeAdministration();
        TakeRetention();
        TakeNixDatabase();
        TakeUpkeep();
        Command<Housekeeping>(_ => KeepHouse());
        Command<HoldKnown>(Collect);
        Command<HoldUnknown>(unknown =>
        {
            _askingHold = false;
            _log.Debug("{0}: nothing is collected as long as not every replica could be asked: {1}", _definition.Repository, unknown.Cause.Message);
        });
        Command<GetStatus>(_ => Sender.Tell(Status()));
        Command<GetWriterState>(_ => Sender.Tell(StateDigest.Report(Context.System, LastSequenceNr, _state)));
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
        Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);
        if (_opening is { } opening)
            _ = LeaveAsync(opening, Task.WhenAll(_work, _warming));
        base.PostStop();
    }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) =>
        _log.Warning("{0}: event {1} could not be appended ({2}); whether it is in the journal is not known. Nobody is answered; the journal is read again.", _definition.Repository, sequenceNr, cause.Message);

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        OnPersistFailure(cause, @event, sequenceNr);
        Context.Stop(Self);
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

    private WriterStatus Status()
    {
        var obstacle = _problem.Length == 0 ? CommitTime.Obstacle(_state, Now) : null;
        return new WriterStatus(
            _definition.Repository,
            LastSequenceNr,
            _state.Head?.Revision ?? 0,
            _state.Head?.RootHash.ToString() ?? "",
            _state.Head?.PublishedAt ?? DateTimeOffset.UnixEpoch,
            _state.Head?.Paths ?? 0,
            _state.WhitelistExpiresAt,
            _queue.Count,
            _inFlight.Count,
            obstacle?.Message ?? _problem,
            obstacle?.Code ?? _problemCode,
            CommitTime.Warning(_state, Now) ?? "");
    }

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
