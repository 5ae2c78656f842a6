using Akka.Actor;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>What a receiver does beside following: deletes what was collected, mends its index.</summary>
internal sealed partial class ReplicaReceiver
{
    private void RefuseScrub()
    {
        const string Why = "A stratum1 of this version cannot scrub: it hashes what it takes in, not what lies on its disk.";
        _log.LogWarning("{Repository}: {Why}", _repository, Why);
        _settings.Mirror.Report(new MirrorScrubReport(_repository, 0, 0, 0, 0, Now, Now, Why));
    }

    private void KeepHouse()
    {
        if (_open is not { } open)
            return;
        var position = _settings.Mirror.EntryOf(_repository).Position;
        // Monitors of stock mirrors take an old mark for a mirror that hangs: an idle one that hears from its source is up to date.
        if (_settings.Mirror.FollowedUrl.Length > 0 && _work is null && _pending.Count == 0 && position is { Revision: > 0, Problem: "", Paused: false })
            open.Mark(() => open.Marks.Snapshotted(Now));
        Drop(open);
    }

    private void Drop(MirrorRepository open)
    {
        var before = Now - _settings.Options.CollectedKeep;
        var due = _state.Collected.TakeWhile(c => c.At < before).SelectMany(c => c.Objects).Distinct().ToList();
        if (_dropping || due.Count == 0)
            return;
        _dropping = true;
        Task.Run(() => open.DropAsync(due, _stopping.Token)).PipeTo(Self, success: () => new Dropped(before), failure: e => new NotDropped(e));
    }

    private void HasDropped(Dropped dropped) => Persist(new MirrorDropped(dropped.AppliedBefore), e =>
    {
        _state = _state.Apply(e);
        _dropping = false;
    });

    // The index was thrown away: what it had is in this mirror's own journal; where that is lost too, the whole history is asked for again.
    private void Reindex(string why)
    {
        var (open, journal, id, stopping) = (_open!, _settings.Journal, PersistenceId, _stopping.Token);
        _log.LogWarning("{Repository}: {Problem} It is made again", _repository, why);
        _work = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Task.Run(async () =>
        {
            var records = new List<RevisionRecords>();
            await foreach (var (_, @event) in journal.ReadAsync(id, 1, stopping).ConfigureAwait(false))
            {
                if (@event is MirrorApplied applied)
                    records.AddRange(applied.Records);
            }

            ulong first = open.Store.IndexedRevision;
            int from = records.FindIndex(r => r.Previous == first);
            if (from < 0)
                return false;
            await open.ReindexAsync([.. records.Skip(from)], stopping).ConfigureAwait(false);
            return true;
        }).PipeTo(Self, success: done => new Reindexed(done, null), failure: e => new Reindexed(false, e));
    }

    private void HasReindexed(Reindexed reindexed)
    {
        EndWork(0);
        if (reindexed.Cause is { } cause)
        {
            Trouble(cause.GetBaseException().Message, cause);
            PauseThenTryAgain();
            return;
        }

        if (!reindexed.Done)
        {
            _log.LogWarning("{Repository}: this mirror's journal does not know the revisions before; the whole history is asked for again", _repository);
            _state = _state with { Sequence = 0 };
            _settings.Mirror.EntryOf(_repository).CountOut(_pending);
            _pending.Clear();
            _carried = MirrorStep.None;
            _lastSequence = 0;
            Say(p => p with { Sequence = 0 });
            _settings.Mirror.AskResync();
            return;
        }

        GoOn();
    }

    private sealed record Reindexed(bool Done, Exception? Cause);
}
