using System.Data.Common;
using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Steps;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>Batches: taken from the queue, prepared in the store, appended, answered.</content>
internal sealed partial class RepositoryWriter
{
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
            else if (_state.Settled.Contains(transaction.Id))
            {
                // On its way since before, or from a ledger that has not read its whole history: that one would offer it for ever.
                _settings.Ledgers.Tell(new AlreadySettled(_definition.Repository, transaction.Id));
            }
            else if (!_inFlight.Any(q => q.Transaction.Id == transaction.Id))
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
        if (_phase != Phase.Idle || TryHousekeeping() || TryChangeTags() || TryRetention() || _resting)
            return;
        if (_queue.Ready == 0)
        {
            TryNixDatabase();
            return;
        }

        if (CommitTime.Obstacle(_state, Now) is { } obstacle)
        {
            // What is sealed waits: the obstacle is this node's, and a rejection would be the builder's answer for ever.
            if (_heldFor != obstacle.Code)
                _log.Error("{0}: {1} sealed transactions wait: {2}", _definition.Repository, _queue.Count, obstacle.Message);
            _heldFor = obstacle.Code;
            Rest(ObstacleTick);
            return;
        }

        _heldFor = "";
        if (_catalogPace.Wait is { Ticks: > 0 } wait)
        {
            // What comes meanwhile shares the revision.
            Rest(wait);
            return;
        }

        _phase = Phase.Preparing;
        Measure();
        _inFlight = _queue.Take(_pacing.Members);
        var attempt = ++_attempt;
        var now = Now;
        var batch = _inFlight.Select(q => q.Transaction).ToList();
        var state = _state;
        Run(() => PrepareAsync(_local!.Backend, state, batch, now))
            .PipeTo(Self, success: p => new Prepared(attempt, p.Batch, p.PutOff), failure: e => new PrepareFailed(attempt, e));
    }

    // A transaction that cannot be secured for the moment holds up no other.
    private async Task<(PreparedBatch Batch, IReadOnlyDictionary<TransactionId, string> PutOff)> PrepareAsync(
        IRepositoryBackend backend, RepositoryState state, List<SealedTransaction> batch, DateTimeOffset now)
    {
        var putOff = await backend.SecureAsync(batch, _stopping.Token).ConfigureAwait(false);
        var taken = batch.Where(t => !putOff.ContainsKey(t.Id)).ToList();
        return (taken.Count == 0 ? new PreparedBatch([], null) : await backend.PrepareAsync(state, taken, now, _stopping.Token).ConfigureAwait(false), putOff);
    }

    private void Append(Prepared prepared)
    {
        _pacing.Prepared();
        _catalogPace.Stored(prepared.Batch.CatalogBytes);
        _diskFullSince = null;
        PutOff(prepared.PutOff);
        var decided = new List<TransactionOutcome>();
        var deferred = new List<CommitQueue.Queued>();
        foreach (var (queued, outcome) in _inFlight.Zip(prepared.Batch.Outcomes))
        {
            // What is put off may bring the reference yet.
            bool patient = outcome.Reason?.Code == RejectionCodes.MissingReference
                && (queued.Tries == 1 || _putOff.Count > 0 || Now < queued.ArrivedAt + _settings.ReferenceWait);
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
        MeasurePrepared(decided.Count);
        var settled = _settled.ToList();
        _phase = Phase.Appending;
        StepProbe.At(StepNames.AppendBefore, _definition.Repository.Value);
        if (prepared.Batch.Revision is { } revision)
            PersistAsync(new RevisionCommitted(revision, decided, settled, Now), e => Appended(e, revision));
        else
            PersistAsync(new TransactionsDecided(decided, settled, Now), e => Appended(e, null));
    }

    private void PutOff(IReadOnlyDictionary<TransactionId, string> reasons)
    {
        _putOff.ExceptWith(_inFlight.Select(q => q.Transaction.Id));
        Trouble(reasons.Values.FirstOrDefault() ?? "");
        if (reasons.Count == 0)
            return;
        _putOff.UnionWith(reasons.Keys);
        foreach (var queued in _inFlight.Where(q => reasons.ContainsKey(q.Transaction.Id)))
            _queue.Defer(queued);
        _inFlight = [.. _inFlight.Where(q => !reasons.ContainsKey(q.Transaction.Id))];
        Timers.StartSingleTimer(nameof(ReleaseDeferred), new ReleaseDeferred(), PutOffTick);
    }

    // Said once, however often it is tried again.
    private void Trouble(string problem)
    {
        if (problem.Length > 0 && _problem.Length == 0)
            _log.Warning("{0}: commits wait: {1}", _definition.Repository, problem);
        _problem = problem;
    }

    private void Appended(IRepositoryEvent @event, Revision? revision)
    {
        MeasureAppended();
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
        var then = _adopted;
        _adopted = null;
        if (adopted.Cause is null)
            then?.Invoke();
        Answer();
        if (adopted.Cause is not { } cause)
        {
            LookAtNixDatabase();
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
        TellCommitted();
        foreach (var outcome in _decided)
            _settings.Ledgers.Tell(new Decide(_definition.Repository, outcome));
        _decided = [];
        _inFlight = [];
        _phase = Phase.Idle;
        TryPrepare();
    }

    private void GiveBack(PrepareFailed failed)
    {
        bool passes = failed.Cause is IOException or UnauthorizedAccessException or DbException or IndexBehindException or IncompleteStoreException or OperationCanceledException;
        bool tooFew = failed.Cause is TooFewCopiesException;
        bool diskFull = PublishingCodes.IsDiskFull(failed.Cause);
        _diskFullSince = diskFull ? _diskFullSince ?? _settings.Clock.GetTimestamp() : null;
        var advice = _pacing.Failed(_inFlight.Count, passes, tooFew ? PutOffTick : diskFull ? DiskTick : null);
        if (advice.RejectAlone)
        {
            Reject(_inFlight[0].Transaction, failed.Cause);
            return;
        }

        _queue.Return(_inFlight);
        _inFlight = [];
        _phase = Phase.Idle;
        if (tooFew)
            Trouble($"{PublishingCodes.TooFewCopies}: {failed.Cause.Message}");
        else if (diskFull)
            Trouble($"{PublishingCodes.DiskFull}: {failed.Cause.Message}");
        else
            _log.Error(failed.Cause, "{0}: a batch could not be prepared (try {1}); again in {2}", _definition.Repository, _pacing.Failures, advice.Pause);
        Rest(advice.Pause);
        // Another node may have room.
        if (_diskFullSince is { } since && _settings.Clock.GetElapsedTime(since) >= DiskPatience)
            _settings.Leader.Tell(new HasNoSpace(_definition.Repository, failed.Cause.Message));
    }

    private void Rest(TimeSpan pause)
    {
        _resting = true;
        Timers.StartSingleTimer(nameof(PrepareAgain), new PrepareAgain(), pause);
    }

    private void Reject(SealedTransaction transaction, Exception cause)
    {
        _log.Error(cause, "{0}: transaction {1} cannot be prepared and is rejected", _definition.Repository, transaction.Id);
        var head = _state.Head!;
        _decided =
        [
            new TransactionOutcome(
                transaction.Id, TransactionStatus.Rejected, false, head.Revision, head.RootHash.ToString(), 0, 0, KeptContent.None, 0,
                Refusal(cause)),
        ];
        _phase = Phase.Appending;
        Measure();
        PersistAsync(new TransactionsDecided(_decided, [.. _settled], Now), e => Appended(e, null));
    }

    private Model.Transactions.Rejection Refusal(Exception cause) => new(
        cause is CommitNotValidException ? RejectionCodes.CommitNotValid : "CannotCommit",
        $"The transaction could not be turned into a revision: {cause.Message}",
        cause is CommitNotValidException invalid ? invalid.Path : _definition.Repository.Value,
        "publish again; if it is refused again, the log of the node that leads tells why");
}
