using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using static CvmfsNix.Cluster.Model.Replicas.ReplicaProtocol;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>
/// All replicas of one repository: who there is is written down, how they are is what they tell. Answers only when it has heard of every one,
/// so that nobody who is merely silent is taken for absent.
/// </summary>
internal sealed class ReplicaDirectory : ReceivePersistentActor, IWithTimers
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromMilliseconds(500);
    private const int AskersMax = 10_000;
    private const int SnapshotEvery = 100;
    private const int SiblingsMax = 64;

    private sealed record Tick;

    private sealed record Waiter(IActorRef Asker, ulong Revision, ReplicaCondition Condition, DateTimeOffset Until);

    private readonly RepositoryId _repository;
    private readonly ReplicaSettings _settings;
    private readonly Dictionary<string, ReplicaSummary> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _siblings = new(StringComparer.Ordinal);
    private readonly List<(IActorRef Asker, string After)> _listers = [];
    private List<Waiter> _waiters = [];
    private DirectoryState _state = DirectoryState.Empty;
    private long _snapshotAt;

    public ReplicaDirectory(string entityId, ReplicaSettings settings)
    {
        _repository = RepositoryId.Parse(entityId);
        _settings = settings;
        PersistenceId = PersistenceIds.Directory(_repository);

        Recover<IDirectoryEvent>(e => _state = _state.Apply(e));
        Recover<SnapshotOffer>(offer =>
        {
            _state = (DirectoryState)offer.Snapshot;
            _snapshotAt = offer.Metadata.SequenceNr;
        });
        Recover<RecoveryCompleted>(_ => AskUnknown());

        Command<ReplicaIs>(Hear);
        Command<ListReplicas>(question =>
        {
            if (_listers.Count < AskersMax)
                _listers.Add((Sender, question.After));
            Answer();
        });
        Command<AwaitReplicas>(question =>
        {
            if (_waiters.Count < AskersMax)
                _waiters.Add(new Waiter(Sender, question.Revision, question.Condition, Now + question.Patience));
            Answer();
        });
        Command<Tick>(_ =>
        {
            AskUnknown();
            Answer();
            TellSiblings();
        });
        Command<SaveSnapshotSuccess>(saved => DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1)));
        Command<SaveSnapshotFailure>(failure => Context.GetLogger().Warning("{0}: no journal snapshot: {1}", PersistenceId, failure.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(_ => { });
    }

    public override string PersistenceId { get; }

    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _settings.Clock.GetUtcNow();

    private bool Complete => _state.Replicas.All(_known.ContainsKey);

    private IEnumerable<ReplicaSummary> Replicas => _state.Replicas.Select(id => _known.GetValueOrDefault(id)).OfType<ReplicaSummary>();

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(Tick), new Tick(), TickEvery);
        base.PreStart();
    }

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Hear(ReplicaIs told)
    {
        var replica = told.Replica;
        string id = replica.Key.Replica.Value;
        if (replica.Registered == _state.Replicas.Contains(id))
        {
            Note(told);
            return;
        }

        // Who is not listed is nobody's to wait for: known only once that is written down.
        IDirectoryEvent @event = replica.Registered ? new ReplicaListed(replica.Key.Replica, Now) : new ReplicaUnlisted(replica.Key.Replica, Now);
        Persist(@event, e =>
        {
            _state = _state.Apply(e);
            Note(told);
            if (LastSequenceNr - _snapshotAt >= SnapshotEvery)
            {
                _snapshotAt = LastSequenceNr;
                SaveSnapshot(_state);
            }
        });
    }

    private void Note(ReplicaIs told)
    {
        var replica = told.Replica;
        if (told.Confirm && replica.Registered)
            _settings.Replicas.Tell(new Listed(replica.Key));
        string id = replica.Key.Replica.Value;
        bool moved = !_known.TryGetValue(id, out var before) || before.Position.Revision != replica.Position.Revision || before.Paused != replica.Paused;
        bool other = before?.DataUrl != replica.DataUrl || before.Connected != replica.Connected || before.Site != replica.Site;
        if (replica.Registered)
            _known[id] = replica;
        else
            _known.Remove(id);
        if (moved || !replica.Registered || _listers.Count > 0)
            Answer();
        if (other)
            TellSiblings();
    }

    private void AskUnknown()
    {
        foreach (var id in _state.Replicas.Where(id => !_known.ContainsKey(id)))
            _settings.Replicas.Tell(new GetReplica(new ReplicaKey(_repository, ReplicaId.Parse(id))));
    }

    private void Answer()
    {
        if (!Complete)
            return;
        foreach (var (asker, after) in _listers)
        {
            var rest = Replicas.Where(r => string.CompareOrdinal(r.Key.Replica.Value, after) > 0).Take(ReplicaList.ReplicasMax + 1).ToList();
            asker.Tell(new ReplicaList(_repository, [.. rest.Take(ReplicaList.ReplicasMax)], rest.Count > ReplicaList.ReplicasMax));
        }

        _listers.Clear();
        if (_waiters.Count == 0)
            return;
        var left = new List<Waiter>();
        foreach (var waiter in _waiters)
        {
            var wait = waiter.Condition.Judge(waiter.Revision, Replicas);
            if (wait.Reached || waiter.Until <= Now)
                waiter.Asker.Tell(new ReplicaWaitIs(wait with { Serving = [.. wait.Serving.Take(ReplicaList.ReplicasMax)], Behind = [.. wait.Behind.Take(ReplicaList.ReplicasMax)] }));
            else
                left.Add(waiter);
        }

        _waiters = left;
    }

    // Each replica is told of the others of its site that can be reached now, whenever that changes.
    private void TellSiblings()
    {
        var now = Now;
        var present = Replicas.Where(r => r.IsReachable(now)).ToList();
        foreach (var gone in _siblings.Keys.Except(present.Select(r => r.Key.Replica.Value)).ToList())
            _siblings.Remove(gone);
        foreach (var replica in present)
        {
            string[] urls = [.. present.Where(r => r != replica && r.Site == replica.Site && r.DataUrl.Length > 0).Select(r => r.DataUrl).Distinct().Order(StringComparer.Ordinal).Take(SiblingsMax)];
            string text = string.Join('\n', urls);
            if (_siblings.GetValueOrDefault(replica.Key.Replica.Value) == text)
                continue;
            _siblings[replica.Key.Replica.Value] = text;
            _settings.Replicas.Tell(new SiblingsAre(replica.Key, urls));
        }
    }
}
