using Akka.Actor;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Telemetry;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Tracing;
using CvmfsNix.Cluster.Store.Layout;
using Microsoft.Extensions.Logging;
using static CvmfsNix.Cluster.Actors.Mirrors.MirrorProtocol;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>
/// Follows the history of one repository. Events wait until what runs is through; then all of them are one step, so that a revision committed
/// during a transfer is part of the next one, and catalogs that came and went meanwhile are never fetched. What was taken is in this mirror's own
/// journal; what readers see is decided by the store. Work is plain asynchronous code, piped back.
/// <code>
///  nothing ──offered──► pinned ──opened──► following ◄──► step ──failed──► pause ──╮
///                          │                   ▲                                  │
///                    another key: refused      ╰──────────────────────────────────╯
/// </code>
/// </summary>
internal sealed partial class ReplicaReceiver : ReceivePersistentActor, IWithTimers
{
    private static readonly TimeSpan HouseEvery = TimeSpan.FromSeconds(30);

    private sealed record Opened(MirrorRepository Repository);

    private sealed record NotOpened(Exception Cause);

    private sealed record TryAgain;

    private sealed record Taken(MirrorStep Step, int Events, bool Far);

    private sealed record NotTaken(Exception Cause);

    private sealed record House;

    private sealed record Dropped(DateTimeOffset AppliedBefore);

    private sealed record NotDropped(Exception Cause);

    private readonly string _repository;
    private readonly ReceiverSettings _settings;
    private readonly ILogger _log;
    private readonly List<MirroredEvent> _pending = [];
    private readonly CancellationTokenSource _stopping = new();
    private MirrorState _state = MirrorState.Empty;
    private MirrorStep _carried = MirrorStep.None;
    private MirrorRepository? _open;
    private CancellationTokenSource? _work;
    private Offered? _offer;
    private long _headSequence;
    private long _lastSequence;
    private long _snapshotAt;
    private string _refused = "";
    private string _problem = "";
    private TimeSpan _pause;
    private bool _opening;
    private bool _paused;
    private bool _forgotten;
    private bool _dropping;

    public ReplicaReceiver(string repository, ReceiverSettings settings)
    {
        _repository = repository;
        _settings = settings;
        _log = settings.Log;
        _pause = settings.Options.RetryMin;
        PersistenceId = PersistenceIds.Mirror(repository);

        Recover<IMirrorEvent>(e => _state = _state.Apply(e));
        Recover<SnapshotOffer>(offer =>
        {
            _state = (MirrorState)offer.Snapshot;
            _snapshotAt = offer.Metadata.SequenceNr;
        });
        Recover<RecoveryCompleted>(_ => Begin());

        Command<Offered>(Take);
        Command<Arrived>(a => Take(a.Event));
        Command<HeadIs>(head => HeadIsAt(head.Sequence, head.Revision));
        Command<Pause>(_ => SetPaused(true));
        Command<Resume>(_ => SetPaused(false));
        Command<Scrub>(s => StartScrub(s.BytesPerSecond));
        Command<ScrubEnded>(EndScrub);
        Command<Forget>(_ => ForgetIt());
        Command<Opened>(o => HasOpened(o.Repository));
        Command<NotOpened>(n => HasNotOpened(n.Cause));
        Command<TryAgain>(_ =>
        {
            if (_state.Definition is null && _offer is { } offer)
                Take(offer);
            else
                GoOn();
        });
        Command<Taken>(HasTaken);
        Command<NotTaken>(n => HasNotTaken(n.Cause));
        Command<Reindexed>(HasReindexed);
        Command<House>(_ => KeepHouse());
        Command<Dropped>(HasDropped);
        Command<NotDropped>(n =>
        {
            _dropping = false;
            _log.LogWarning("{Repository}: superseded objects could not be deleted: {Problem} It is tried again", _repository, n.Cause.Message);
        });
        Command<SaveSnapshotSuccess>(saved => DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1)));
        Command<SaveSnapshotFailure>(failure => _log.LogWarning("{Repository}: no journal snapshot: {Problem}", _repository, failure.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(_ => { });
    }

    public override string PersistenceId { get; }

    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _settings.Clock.GetUtcNow();

    private long Known => Math.Max(_state.Sequence, _pending.Count > 0 ? _pending[^1].Sequence : _lastSequence);

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(House), new House(), HouseEvery);
        base.PreStart();
    }

    protected override void PostStop()
    {
        _stopping.Cancel();
        _settings.Mirror.EntryOf(_repository).CountFromZero();
        base.PostStop();
    }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        _log.LogError("{Repository}: the mirror's journal cannot be written: {Problem} What is here is served; it begins again", _repository, cause.Message);
        base.OnPersistFailure(cause, @event, sequenceNr);
    }

    // ---- opening ----

    private void Begin()
    {
        // What a predecessor of this actor had been told is lost with it.
        if (_settings.Mirror.EntryOf(_repository).Position.Opened)
            _settings.Mirror.AskResync();
        if (_state.Definition is null)
        {
            // Nothing to be opened: either it is new, or only its files are left.
            Say(p => p with { Opened = true, Revision = ServedBeside()?.Revision ?? 0, RootHash = ServedBeside()?.RootHash.ToString() ?? "" });
            return;
        }

        Open();
    }

    private void Open()
    {
        if (_opening || _open is not null || _state.Definition is not { } definition)
            return;
        _opening = true;
        var entry = _settings.Mirror.EntryOf(_repository);
        string pinned = _state.PinnedKeyPem;
        Task.Run(async () =>
        {
            // It is opened once a process: another actor may have begun where this one came in.
            if (entry.Open is { } found)
                return found;
            var keys = RepositoryKeyRing.Of(_settings.Options.KeysDirectory, _repository, pinned) ?? throw new InvalidDataException($"There is no public key of {_repository}.");
            return await MirrorRepository.OpenAsync(
                new StoreLayout(_settings.Options.DataDirectory), definition, keys, _settings.Engines, _settings.Clock, _log, _stopping.Token).ConfigureAwait(false);
        }).PipeTo(Self, success: r => new Opened(r), failure: e => new NotOpened(e));
    }

    private void HasOpened(MirrorRepository repository)
    {
        _opening = false;
        _open = repository;
        _settings.Mirror.EntryOf(_repository).Open = repository;
        var store = repository.Store;
        if (store.AppliedSequence < _state.Visible)
        {
            _log.LogWarning(
                "{Repository}: the store stands at event {Applied}, the mirror's journal at {Sequence}: something of the store was lost; it is fetched again",
                _repository,
                store.AppliedSequence,
                _state.Visible);
            _state = _state with { Sequence = Math.Min(store.AppliedSequence, _state.Sequence), Visible = store.AppliedSequence };
        }

        _lastSequence = _state.Sequence;
        _pending.RemoveAll(e => e.Sequence <= _state.Sequence);
        if (_pending.Count > 0 && _pending[0].Sequence != _state.Sequence + 1)
        {
            _pending.Clear();
            _settings.Mirror.EntryOf(_repository).CountFromZero();
            _settings.Mirror.AskResync();
        }

        var served = store.Served;
        Say(
            p => p with
            {
                Opened = true,
                Known = true,
                Sequence = _state.Sequence,
                Revision = served?.Revision ?? 0,
                RootHash = served?.RootHash.ToString() ?? "",
                Problem = "",
            },
            urgent: true);
        if (_offer is not null)
            Weigh(_offer);
        if (store.IndexedRevision < _state.IndexedRevision)
            Reindex($"the index stands at revision {store.IndexedRevision}, the mirror's journal at revision {_state.IndexedRevision}.");
        else
            GoOn();
    }

    private void HasNotOpened(Exception cause)
    {
        _opening = false;
        Trouble($"The repository's folders cannot be opened: {cause.Message}", cause);
        Say(p => p with { Opened = true, Revision = ServedBeside()?.Revision ?? 0, RootHash = ServedBeside()?.RootHash.ToString() ?? "" });
        PauseThenTryAgain();
    }

    private Manifest? ServedBeside()
    {
        try
        {
            string file = Path.Combine(new StoreLayout(_settings.Options.DataDirectory).RepositoryFolder(_repository), ".cvmfspublished");
            return File.Exists(file) ? Manifest.ParseSigned(File.ReadAllBytes(file)).Manifest : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ManifestFormatException)
        {
            return null;
        }
    }

    // ---- what comes in ----

    private void Take(Offered offer)
    {
        _offer = offer;
        _forgotten = false;
        if (_state.Definition is not null)
        {
            Weigh(offer);
            HeadIsAt(offer.HeadSequence, offer.HeadRevision);
            GoOn();
            return;
        }

        RepositoryKeyRing? keys;
        try
        {
            keys = RepositoryKeyRing.Of(_settings.Options.KeysDirectory, _repository, offer.PublicKeyPem);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            Trouble(e.Message, null);
            PauseThenTryAgain();
            return;
        }

        if (keys is null)
        {
            // The node that offers it may lack the key for the moment.
            Trouble($"No public key is offered. Put the repository's public key into {Path.Combine(_settings.Options.KeysDirectory, _repository + ".pub")}.", null);
            PauseThenTryAgain();
            return;
        }

        if (offer.PublicKeyPem.Length > 0 && !keys.Holds(offer.PublicKeyPem))
        {
            Weigh(offer, keys);
            return;
        }

        Persist(new MirrorPinned(offer.Definition, offer.PublicKeyPem, Now), pinned =>
        {
            _state = _state.Apply(pinned);
            _log.LogInformation(
                "{Repository} is mirrored from now on; its public key (SHA-256 {Fingerprint}) is believed because of {Origin}",
                _repository,
                keys.Shown,
                keys.Origin);
            HeadIsAt(offer.HeadSequence, offer.HeadRevision);
            Open();
        });
    }

    // Another key, another store, another history: nothing of it is taken, and what was there is served on.
    private void Weigh(Offered offer, RepositoryKeyRing? keys = null)
    {
        keys ??= _open?.Keys;
        string refused = "";
        if (keys is not null && offer.PublicKeyPem.Length > 0 && !keys.Holds(offer.PublicKeyPem))
        {
            refused = $"another public key is offered (SHA-256 {RepositoryKeyRing.Fingerprint(offer.PublicKeyPem)}) than the one of {keys.Origin} (SHA-256 {keys.Shown}). "
                + $"If that is right, put the new key into {Path.Combine(_settings.Options.KeysDirectory, _repository + ".pub")} and start again.";
        }
        else if (_state.Definition is { } known && (known.StoreDirectory != offer.Definition.StoreDirectory || known.HashAlgorithm != offer.Definition.HashAlgorithm))
        {
            refused = $"a repository of the same name but with the store directory {offer.Definition.StoreDirectory} and {offer.Definition.HashAlgorithm} is offered; here it has {known.StoreDirectory} and {known.HashAlgorithm}.";
        }
        else if (_open is { } open && offer.HeadSequence < open.Store.AppliedSequence)
        {
            refused = $"the history that is offered ends at event {offer.HeadSequence}, and event {open.Store.AppliedSequence} is in effect here: an old journal was restored there.";
        }

        if (refused.Length > 0 && refused != _refused)
            _log.LogError("{Repository} IS NOT FOLLOWED: {Reason} Revision {Revision} is served on", _repository, refused, _settings.Mirror.EntryOf(_repository).Position.Revision);
        else if (refused.Length == 0 && _refused.Length > 0)
            _log.LogInformation("{Repository} is followed again", _repository);
        _refused = refused;
        Say(p => p with { Problem = _refused.Length > 0 ? "It is not followed: " + _refused : _problem }, urgent: refused.Length > 0);
    }

    private void Take(MirroredEvent @event)
    {
        var entry = _settings.Mirror.EntryOf(_repository);
        HeadIsAt(@event.Sequence, @event.Manifest?.Revision ?? 0);
        if (_forgotten || (@event.Sequence <= Known && (_open is not null || _pending.Count > 0)))
        {
            entry.CountOut([@event]);
            return;
        }

        bool follows = (_open is null && _pending.Count == 0) || @event.Sequence == Known + 1;
        if (!follows)
        {
            entry.CountOut([@event]);
            _log.LogWarning("{Repository}: event {Sequence} came after event {Known}; the stream begins again", _repository, @event.Sequence, Known);
            _settings.Mirror.AskResync();
            return;
        }

        _pending.Add(@event);
        GoOn();
    }

    private void HeadIsAt(long sequence, ulong revision)
    {
        _headSequence = Math.Max(_headSequence, sequence);
        Say(p => p with { HeadSequence = Math.Max(p.HeadSequence, sequence), HeadRevision = Math.Max(p.HeadRevision, revision) });
    }

    private void SetPaused(bool paused)
    {
        ulong revision = _settings.Mirror.EntryOf(_repository).Position.Revision;
        if (paused && !_paused)
            _log.LogInformation("{Repository} is paused: revision {Revision} is served, nothing new is taken", _repository, revision);
        else if (!paused && _paused)
            _log.LogInformation("{Repository} goes on; revision {Revision} is served", _repository, revision);
        _paused = paused;
        Say(p => p with { Paused = paused }, urgent: true);
        if (paused)
            _work?.Cancel();
        else
            GoOn();
    }

    private void ForgetIt()
    {
        if (!_forgotten)
            _log.LogWarning("{Repository}: this mirror was removed there; revision {Revision} is served on, nothing new is taken", _repository, _settings.Mirror.EntryOf(_repository).Position.Revision);
        _forgotten = true;
        _settings.Mirror.EntryOf(_repository).CountOut(_pending);
        _pending.Clear();
        _carried = MirrorStep.None;
        _lastSequence = _state.Sequence;
        _work?.Cancel();
    }

    // ---- taking steps ----

    private void GoOn()
    {
        if (_open is null)
        {
            Open();
            return;
        }

        if (_work is not null || _paused || _forgotten || _refused.Length > 0 || _pending.Count == 0 || Timers.IsTimerActive(nameof(TryAgain)))
            return;
        var repository = _open;
        var step = _carried.Then(_pending);
        int events = _pending.Count;
        bool far = step.Sequence + _settings.Options.FarBehind < _headSequence;
        var work = _work = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var mirror = _settings.Mirror;
        string fqrn = _repository;
        bool first = mirror.EntryOf(fqrn).Position.Revision == 0;
        if (step.Manifest is not null)
            Say(p => p with { Working = true, CatchingUp = far || first || events > _settings.Options.FarBehind });
        var progress = new StepProgress(p => mirror.Update(fqrn, position => position with
        {
            MissingBytes = p.BytesMissing,
            MissingObjects = p.ObjectsMissing,
        }));
        var clock = _settings.Clock;
        var started = clock.GetUtcNow();
        Task.Run(async () =>
        {
            if (far)
            {
                await repository.PassAsync(step, progress, work.Token).ConfigureAwait(false);
            }
            else
            {
                await repository.TakeAsync(step, progress, () => HasServed(mirror, fqrn, repository, step.Sequence, clock.GetUtcNow()), work.Token).ConfigureAwait(false);
                if (PublishSteps.Followed)
                    ServedSteps.Tell(fqrn, PublishStep.Replicate, step.Transactions, started);
            }

            return new Taken(step, events, far);
        }).PipeTo(Self, success: t => t, failure: e => new NotTaken(e));
    }

    // Readers see it: the other side hears of it at once, the journal follows.
    private static void HasServed(Mirror mirror, string repository, MirrorRepository open, long sequence, DateTimeOffset now)
    {
        var served = open.Store.Served;
        mirror.Update(
            repository,
            p => p with
            {
                Sequence = Math.Max(p.Sequence, sequence),
                Revision = served?.Revision ?? 0,
                RootHash = served?.RootHash.ToString() ?? "",
                MissingBytes = 0,
                MissingObjects = 0,
                Problem = "",
                ServedAt = now,
            },
            urgent: true);
    }

    private void HasTaken(Taken taken)
    {
        EndWork(taken.Events);
        if (_problem.Length > 0)
            _log.LogInformation("{Repository} gets on again", _repository);
        _problem = "";
        _pause = _settings.Options.RetryMin;
        var step = taken.Step;
        var position = _settings.Mirror.EntryOf(_repository).Position;
        if (taken.Far)
        {
            _carried = step.Indexed();
            _log.LogInformation("{Repository}: event {Sequence} of {Head} is indexed; what is served follows at the end", _repository, step.Sequence, _headSequence);
            // In effect is still what was before; noted is only by what the index was filled.
            Note(new MirrorApplied(_state.Sequence, 0, position.Revision, position.RootHash, step.Records, [], Now) { Forgotten = step.Forgotten });
            return;
        }

        _carried = MirrorStep.None;
        if (step.Records.Count > 1)
            _log.LogInformation("{Repository}: {Count} revisions were taken in one step; revision {Revision} is served", _repository, step.Records.Count, position.Revision);
        else if (step.Visible > 0)
            _log.LogDebug("{Repository}: event {Sequence} is in effect, revision {Revision}", _repository, step.Sequence, position.Revision);
        Say(p => p with { Sequence = Math.Max(p.Sequence, step.Sequence), Working = false, CatchingUp = false, MissingBytes = 0, MissingObjects = 0, Problem = "" }, urgent: true);
        Note(new MirrorApplied(step.Sequence, step.Visible, position.Revision, position.RootHash, step.Records, step.Collected, Now) { Forgotten = step.Forgotten });
    }

    private void Note(MirrorApplied applied) => Persist(applied, noted =>
    {
        _state = _state.Apply(noted);
        if (LastSequenceNr - _snapshotAt >= _settings.Options.SnapshotEvery)
        {
            _snapshotAt = LastSequenceNr;
            SaveSnapshot(_state);
        }

        GoOn();
    });

    private void HasNotTaken(Exception cause)
    {
        bool asked = _work?.IsCancellationRequested == true;
        EndWork(0);
        Say(p => p with { Working = false });
        if (asked && cause.GetBaseException() is OperationCanceledException)
        {
            if (!_stopping.IsCancellationRequested)
                GoOn();
            return;
        }

        if (cause.GetBaseException() is Store.Repositories.IndexBehindException)
        {
            Reindex(cause.GetBaseException().Message);
            return;
        }

        Trouble(cause.GetBaseException().Message, cause);
        PauseThenTryAgain();
    }

    private void EndWork(int events)
    {
        _work?.Dispose();
        _work = null;
        events = Math.Min(events, _pending.Count);
        if (events == 0)
            return;
        var done = _pending[..events];
        _lastSequence = done[^1].Sequence;
        _settings.Mirror.EntryOf(_repository).CountOut(done);
        _pending.RemoveRange(0, events);
    }

    private void Trouble(string problem, Exception? cause)
    {
        if (problem != _problem)
            _log.LogError("{Repository} does not get on: {Problem} What is here is served; it is tried again", _repository, problem);
        if (cause is not null)
            _log.LogDebug(cause, "{Repository}", _repository);
        _problem = problem;
        var now = Now;
        Say(p => p with { Problem = problem, Trouble = problem, TroubleAt = now }, urgent: true);
    }

    private void PauseThenTryAgain()
    {
        Timers.StartSingleTimer(nameof(TryAgain), new TryAgain(), _pause * (0.8 + (0.4 * Random.Shared.NextDouble())));
        _pause = _pause * 2 < _settings.Options.RetryMax ? _pause * 2 : _settings.Options.RetryMax;
    }

    private void Say(Func<MirrorPosition, MirrorPosition> change, bool urgent = false) => _settings.Mirror.Update(_repository, change, urgent);

    private sealed class StepProgress(Action<Replication.Filling.FillProgress> report) : IProgress<Replication.Filling.FillProgress>
    {
        public void Report(Replication.Filling.FillProgress value) => report(value);
    }
}
