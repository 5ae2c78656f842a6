using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Model.Replicas;
using static CvmfsNix.Cluster.Model.Replicas.ReplicaProtocol;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>
/// One mirror of one repository. What somebody decided (registered, paused, removed) is written down before it counts; what the mirror says of
/// itself is kept in memory, told on to the directory, and written down now and then.
/// <code>
///  unknown ──connect──► registered ──stream ends, or silence──► unreachable ──connect──► registered
///     ▲                    │ ▲ pause, resume                        │
///     ╰───────remove───────┴────────────────────────────────────────╯
/// </code>
/// </summary>
internal sealed class Replica : ReceivePersistentActor, IWithTimers
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    /// <summary>What is written down of its position is never older than this while it is there and gets on.</summary>
    private static readonly TimeSpan SeenEvery = TimeSpan.FromMinutes(10);

    /// <summary>The same while it stays where it is.</summary>
    private static readonly TimeSpan SeenIdleEvery = TimeSpan.FromHours(6);

    /// <summary>A mirror that comes and goes fills no journal.</summary>
    private static readonly TimeSpan SeenAtMost = TimeSpan.FromMinutes(1);

    private const int SnapshotEvery = 100;

    private sealed record Look;

    private readonly ReplicaKey _key;
    private readonly ReplicaSettings _settings;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private ReplicaState _state = ReplicaState.Empty;
    private long _snapshotAt;
    private bool _listed;
    private Guid _session;
    private IActorRef _stream = ActorRefs.Nobody;
    private string _dataUrl = "";
    private ReplicaPosition? _position;
    private ScrubState? _scrub;
    private SiblingsAre? _siblings;
    private DateTimeOffset _lastSeen = DateTimeOffset.UnixEpoch;

    public Replica(string entityId, ReplicaSettings settings)
    {
        _key = ReplicaKey.Parse(entityId);
        _settings = settings;
        PersistenceId = PersistenceIds.Replica(_key);

        Recover<IReplicaEvent>(e => _state = _state.Apply(e));
        Recover<SnapshotOffer>(offer =>
        {
            _state = (ReplicaState)offer.Snapshot;
            _snapshotAt = offer.Metadata.SequenceNr;
        });
        Recover<RecoveryCompleted>(_ =>
        {
            if (_state.Registered)
                Tell();
        });

        Command<Connect>(Take);
        Command<Report>(Hear);
        Command<ReportScrub>(report =>
        {
            if (Keeps(report.Session))
            {
                _scrub = report.Scrub;
                Tell();
            }
        });
        Command<Disconnect>(gone => Lose(gone.Session));
        Command<GetReplica>(_ => Sender.Tell(new ReplicaIs(Summary)));
        Command<Pause>(_ => Change(!_state.Paused, new ReplicaPaused(Now), () => _stream.Tell(new PausedIs(_key, true))));
        Command<Resume>(_ => Change(_state.Paused, new ReplicaResumed(Now), () => _stream.Tell(new PausedIs(_key, false))));
        Command<Remove>(_ => Change(true, new ReplicaRemoved(Now), () =>
        {
            _stream.Tell(new Forgotten(_key));
            (_session, _stream, _dataUrl, _position, _scrub, _listed) = (Guid.Empty, ActorRefs.Nobody, "", null, null, false);
        }));
        Command<Scrub>(wanted =>
        {
            _stream.Tell(new ScrubWanted(_key, wanted.BytesPerSecond));
            Sender.Tell(new ReplicaIs(Summary));
        });
        Command<Listed>(_ =>
        {
            bool news = !_listed && _state.Registered;
            _listed = _state.Registered;
            if (news)
                Welcome(_stream);
        });
        Command<SiblingsAre>(siblings =>
        {
            _siblings = siblings;
            _stream.Tell(siblings);
        });
        Command<Look>(_ =>
        {
            if (_session != Guid.Empty && Now - _lastSeen >= ReplicaSummary.SilenceMax)
            {
                _log.Warning("{0}: no sign of life since {1:u}", _key, _lastSeen);
                Lose(_session);
            }
        });
        Command<SaveSnapshotSuccess>(saved => DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1)));
        Command<SaveSnapshotFailure>(failure => _log.Warning("{0}: no journal snapshot: {1}", PersistenceId, failure.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(_ => { });
    }

    public override string PersistenceId { get; }

    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _settings.Clock.GetUtcNow();

    private ReplicaSummary Summary => new(
        _key,
        _state.Registered,
        _state.Site,
        _dataUrl,
        _state.Paused,
        _session != Guid.Empty,
        _state.RegisteredAt,
        new[] { _lastSeen, _state.SeenAt, _state.RegisteredAt }.Max(),
        _position ?? _state.Position,
        _scrub);

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(Look), new Look(), LookEvery);
        base.PreStart();
    }

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Take(Connect connect)
    {
        var stream = Sender;
        if (_state.Registered && _state.Site == connect.Site)
        {
            Join(connect, stream);
            return;
        }

        _log.Info("{0}: registered, site {1}", _key, connect.Site);
        Write(new ReplicaRegistered(connect.Site, Now), () => Join(connect, stream));
    }

    private void Join(Connect connect, IActorRef stream)
    {
        if (_session != Guid.Empty && _session != connect.Session)
            _stream.Tell(new SessionSuperseded(_key, _session));
        (_session, _stream, _dataUrl, _lastSeen) = (connect.Session, stream, connect.DataUrl, Now);
        _position = connect.Position.After(_position ?? _state.Position);
        Welcome(stream);
        Note(SeenAtMost);
        Tell();
    }

    private void Hear(Report report)
    {
        // The first sign of life after this actor was moved or started anew.
        if (_session == Guid.Empty && _state.Registered)
        {
            (_session, _stream) = (report.Session, Sender);
            Welcome(Sender);
        }

        if (!Keeps(report.Session))
            return;
        _dataUrl = report.DataUrl;
        _position = report.Position?.After(_position ?? _state.Position) ?? _position;
        Note(SeenEvery);
        Tell();
    }

    // Not before everybody who waits for all replicas waits for this one too.
    private void Welcome(IActorRef stream)
    {
        if (!_listed || _session == Guid.Empty)
            return;
        stream.Tell(new Connected(_key, _session, _state.Paused));
        if (_siblings is { } siblings)
            stream.Tell(siblings);
    }

    // Only the newest stream speaks for the mirror.
    private bool Keeps(Guid session)
    {
        if (!_state.Registered)
        {
            Sender.Tell(new NotRegistered(_key));
            return false;
        }

        if (session != _session)
        {
            Sender.Tell(new SessionSuperseded(_key, session));
            return false;
        }

        (_stream, _lastSeen) = (Sender, Now);
        return true;
    }

    private void Lose(Guid session)
    {
        if (session != _session || session == Guid.Empty)
            return;
        (_session, _stream, _dataUrl) = (Guid.Empty, ActorRefs.Nobody, "");
        Note(SeenAtMost);
        Tell();
    }

    private void Change(bool needed, IReplicaEvent @event, Action after)
    {
        var asker = Sender;
        if (!_state.Registered || !needed)
        {
            asker.Tell(new ReplicaIs(Summary));
            return;
        }

        Write(@event, () =>
        {
            after();
            Tell();
            asker.Tell(new ReplicaIs(Summary));
        });
    }

    private void Note(TimeSpan every)
    {
        if (_position is { } position && _lastSeen - _state.SeenAt >= (position == _state.Position ? SeenIdleEvery : every))
            Write(new ReplicaSeen(position, _lastSeen), () => { });
    }

    private void Write(IReplicaEvent @event, Action after) => Persist(@event, e =>
    {
        _state = _state.Apply(e);
        after();
        if (LastSequenceNr - _snapshotAt >= SnapshotEvery)
        {
            _snapshotAt = LastSequenceNr;
            SaveSnapshot(_state);
        }
    });

    private void Tell() => _settings.Directories.Tell(new ReplicaIs(Summary, Confirm: !_listed));
}

/// <summary>What replicas and directories need besides their messages.</summary>
/// <param name="Directories">The directories.</param>
/// <param name="Replicas">The replicas.</param>
/// <param name="Clock">The time.</param>
internal sealed record ReplicaSettings(IActorRef Directories, IActorRef Replicas, TimeProvider Clock);
