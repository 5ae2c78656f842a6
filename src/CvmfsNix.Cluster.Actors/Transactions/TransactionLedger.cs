using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Steps;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Transactions;

/// <summary>What a ledger needs besides its messages.</summary>
/// <param name="Limits">Its bounds.</param>
/// <param name="EnqueueAgain">How often undecided transactions are offered again.</param>
/// <param name="SnapshotEvery">Events between journal snapshots.</param>
/// <param name="Leader">The way to the leader.</param>
/// <param name="Clock">The time.</param>
internal sealed record LedgerSettings(LedgerLimits Limits, TimeSpan EnqueueAgain, int SnapshotEvery, IActorRef Leader, TimeProvider Clock);

/// <summary>
/// One of the 64 ledgers of a repository. Nothing is written before a seal; a seal and a decision are one event each. Messages that come while
/// a write is in flight are answered together by the next one. A sealed transaction is offered to the writer until decided: that is the durable queue.
/// </summary>
internal sealed class TransactionLedger : ReceivePersistentActor, IWithTimers
{
    private const int PendingMax = 4_096;

    private sealed record OfferAgain;

    private sealed record Housekeeping;

    private readonly LedgerSettings _settings;
    private readonly RepositoryId _repository;
    private readonly int _bucket;
    private readonly OpenTransactions _open;
    private readonly List<(ITransactionMessage Message, IActorRef Asker)> _pending = [];
    private readonly Dictionary<TransactionId, List<IActorRef>> _askers = [];
    private LedgerState _state = LedgerState.Empty;
    private long _snapshotAt;
    private DateTimeOffset _busyUntil = DateTimeOffset.MinValue;
    private bool _writing;
    private bool _forgetDue;

    public TransactionLedger(string entityId, LedgerSettings settings)
    {
        _settings = settings;
        (_repository, _bucket) = LedgerBucket.Parse(entityId);
        PersistenceId = PersistenceIds.Ledger(entityId);
        _open = new OpenTransactions(settings.Limits.OpenExpiry);

        Recover<ILedgerEvent>(e => _state = _state.Apply(e));
        Recover<SnapshotOffer>(offer =>
        {
            _state = (LedgerState)offer.Snapshot;
            _snapshotAt = offer.Metadata.SequenceNr;
        });
        Recover<RecoveryCompleted>(_ =>
        {
            Offer(_state.Undecided);
            Self.Tell(new Housekeeping());
        });

        Command<ITransactionMessage>(Take);
        Command<OfferSealed>(_ =>
        {
            // The writer asks: whatever it, or the one before it, was too busy with is over.
            _busyUntil = DateTimeOffset.MinValue;
            Offer(_state.Undecided);
        });
        Command<WriterBusy>(busy => _busyUntil = Now + busy.RetryAfter);
        Command<JournalEnd>(end => end.SequenceNumber > LastSequenceNr, end => ReadAgain($"the journal has {end.SequenceNumber} events of it, and it has read or written {LastSequenceNr}"));
        Command<JournalEnd>(_ => { });
        Command<AlreadySettled>(settled => _state.Undecided.Contains(settled.Id), settled => ReadAgain($"transaction {settled.Id} is decided and recorded, and it does not know that"));
        Command<AlreadySettled>(_ => { });
        Command<OfferAgain>(_ => Offer(_state.Undecided));
        Command<Housekeeping>(_ => KeepHouse());
        Command<ListTransactions>(list => Sender.Tell(TransactionListing.Of(_bucket, _state, _open, list.Max, Now)));
        Command<GetLedgerState>(_ => Sender.Tell(StateDigest.Report(Context.System, LastSequenceNr, _state)));
        Command<SaveSnapshotSuccess>(saved => DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1)));
        Command<SaveSnapshotFailure>(failure => Context.GetLogger().Warning("Ledger {0}: no journal snapshot: {1}", PersistenceId, failure.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(_ => { });
    }

    public override string PersistenceId { get; }

    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _settings.Clock.GetUtcNow();

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(OfferAgain), new OfferAgain(), _settings.EnqueueAgain);
        Timers.StartPeriodicTimer(nameof(Housekeeping), new Housekeeping(), TimeSpan.FromMinutes(10));
        base.PreStart();
    }

    // A refused write has the same meaning as a failed one: its outcome is unknown, nobody is answered, the journal is read again.
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Take(ITransactionMessage message)
    {
        if (message is Begin or Seal or Conclude && (_pending.Count >= PendingMax || (Now < _busyUntil && message is Seal && !_state.Entries.ContainsKey(message.Id))))
        {
            Sender.Tell(new Overloaded(message.Id, Now < _busyUntil ? _busyUntil - Now : LedgerLimits.RetryAfter));
            return;
        }

        _pending.Add((message, Sender));
        if (!_writing)
            AnswerPending();
    }

    private void AnswerPending()
    {
        var state = _state;
        var events = new List<ILedgerEvent>();
        var answers = new List<(ITransactionMessage Message, IActorRef Asker, IReply Reply)>();
        foreach (var (message, asker) in _pending)
        {
            var (reply, @event) = state.Answer(message, _open, _settings.Limits, Now);
            if (@event is not null)
            {
                state = state.Apply(@event);
                events.Add(@event);
            }

            Remember(message, reply);
            answers.Add((message, asker, reply));
        }

        _pending.Clear();
        if (events.Count == 0)
        {
            Answer(answers);
            return;
        }

        var sealedNow = events.OfType<TransactionSealed>().Select(e => e.Transaction.Id).ToList();
        if (sealedNow.Count > 0)
            StepProbe.At(StepNames.SealBefore, sealedNow[0].ToString());
        _writing = true;
        int left = events.Count;
        PersistAllAsync(events, e =>
        {
            _state = _state.Apply(e);
            if (--left == 0)
                Written(answers, sealedNow);
        });
    }

    private void Written(List<(ITransactionMessage Message, IActorRef Asker, IReply Reply)> answers, List<TransactionId> sealedNow)
    {
        _writing = false;
        if (sealedNow.Count > 0)
            StepProbe.At(StepNames.SealAfter, sealedNow[0].ToString());
        Answer(answers);
        Offer(sealedNow);
        if (LastSequenceNr - _snapshotAt >= _settings.SnapshotEvery)
            Snapshot();
        Forget();
        if (_pending.Count > 0)
            AnswerPending();
    }

    private void Remember(ITransactionMessage message, IReply reply)
    {
        switch (message, reply)
        {
            case (Begin { Register: true } begin, Opened):
                _open.Touch(begin.Id, begin.Digest, Now);
                break;
            case (Abort, Aborted):
                _open.Abort(message.Id, Now);
                break;
            case (Seal, Waiting):
            case (Conclude, Decided):
                _open.Remove(message.Id);
                break;
        }
    }

    private void Answer(List<(ITransactionMessage Message, IActorRef Asker, IReply Reply)> answers)
    {
        foreach (var (message, asker, reply) in answers)
        {
            switch (message, reply)
            {
                case (Decide, Decided decided):
                    if (_askers.Remove(message.Id, out var waiting))
                        waiting.ForEach(a => a.Tell(decided));
                    _settings.Leader.Tell(new Settled(_repository, message.Id));
                    break;
                case (Seal, Waiting) when _state.Entries.TryGetValue(message.Id, out var entry) && entry.Outcome is { } outcome:
                    asker.Tell(new Decided(outcome));
                    break;
                case (Seal, Waiting):
                    if (!_askers.TryGetValue(message.Id, out var askers))
                        _askers[message.Id] = askers = [];
                    askers.Add(asker);
                    break;
                default:
                    asker.Tell(reply);
                    break;
            }
        }
    }

    private void Offer(IReadOnlyCollection<TransactionId> ids)
    {
        if (Now < _busyUntil)
            return;
        foreach (var chunk in ids.Where(_state.Undecided.Contains).OrderBy(id => id).Chunk(Enqueue.TransactionsMax))
            _settings.Leader.Tell(new Enqueue(_repository, _bucket, [.. chunk.Select(id => _state.Entries[id].Transaction)]));
    }

    // Another one has written under this name. What it wrote is part of the history: its supervisor starts this ledger again, which reads it.
    private void ReadAgain(string why)
    {
        Context.GetLogger().Warning("Ledger {0}: {1}. It reads its journal again.", PersistenceId, why);
        Context.Stop(Self);
    }

    private void KeepHouse()
    {
        _open.Sweep(Now);
        _forgetDue = true;
        Forget();
    }

    // After a write that is under way: a ledger that always writes would never come to it otherwise.
    private void Forget()
    {
        if (_writing || !_forgetDue)
            return;
        _forgetDue = false;
        if (_state.Forget(_settings.Limits, Now) is not { } forgotten)
            return;
        // What is forgotten need not be read at the next start either.
        PersistAsync(forgotten, e =>
        {
            _state = _state.Apply(e);
            Snapshot();
        });
    }

    private void Snapshot()
    {
        _snapshotAt = LastSequenceNr;
        SaveSnapshot(_state);
    }
}
