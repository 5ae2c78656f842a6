using Akka.Actor;
using CvmfsNix.Cluster.Replication.Scrubbing;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>What a receiver does beside following: scrubs, deletes what was collected, mends its index.</summary>
internal sealed partial class ReplicaReceiver
{
    // Gentle beside readers on a spinning disk; an operator may ask for more.
    private const long ScrubBytesPerSecond = 32L << 20;

    private static readonly TimeSpan ScrubReportEvery = TimeSpan.FromSeconds(2);

    private CancellationTokenSource? _scrub;

    private sealed record ScrubEnded(DateTimeOffset StartedAt, ScrubResult? Result, Exception? Cause);

    private void StartScrub(long bytesPerSecond)
    {
        if (_open is not { } open)
        {
            _settings.Mirror.Report(new MirrorScrubReport(_repository, 0, 0, 0, 0, Now, Now, "It is not open here yet."));
            return;
        }

        if (_scrub is not null)
        {
            _log.LogInformation("{Repository}: a scrub runs already", _repository);
            return;
        }

        _scrub = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var (token, started, clock, mirror, fqrn) = (_scrub.Token, Now, _settings.Clock, _settings.Mirror, _repository);
        var last = started;
        var progress = new ScrubReporter(p =>
        {
            if (clock.GetUtcNow() - last < ScrubReportEvery)
                return;
            last = clock.GetUtcNow();
            mirror.Report(new MirrorScrubReport(fqrn, p.Items, p.Bytes, p.Damaged, 0, started, null, ""));
        });
        _log.LogInformation("{Repository}: everything is hashed anew", _repository);
        mirror.Report(new MirrorScrubReport(fqrn, 0, 0, 0, 0, started, null, ""));
        Task.Run(() => open.ScrubAsync(bytesPerSecond > 0 ? bytesPerSecond : ScrubBytesPerSecond, progress, token))
            .PipeTo(Self, success: r => new ScrubEnded(started, r, null), failure: e => new ScrubEnded(started, null, e));
    }

    private void EndScrub(ScrubEnded ended)
    {
        _scrub?.Dispose();
        _scrub = null;
        if (ended.Result is not { } result)
        {
            if (_stopping.IsCancellationRequested)
                return;
            string problem = ended.Cause!.GetBaseException().Message;
            _log.LogError("{Repository}: the scrub ended early: {Problem}", _repository, problem);
            _settings.Mirror.Report(new MirrorScrubReport(_repository, 0, 0, 0, 0, ended.StartedAt, Now, problem));
            return;
        }

        string[] bad = [.. result.Damaged.Concat(result.Missing).Distinct(StringComparer.Ordinal)];
        string[] left = [.. bad.Except(result.Repaired, StringComparer.Ordinal)];
        string unmended = left.Length == 0 ? "" : $"{left.Length} files are damaged and no other copy was found: {string.Join(", ", left.Take(5))}{(left.Length > 5 ? ", …" : "")}.{(result.Problem is { } told ? " " + told : "")}";
        if (unmended.Length > 0)
            _log.LogError("{Repository}: scrubbed {Items} files, {Bytes} bytes: {Problem}", _repository, result.Items, result.Bytes, unmended);
        else
            _log.LogInformation("{Repository}: scrubbed {Items} files, {Bytes} bytes; {Damaged} were damaged or gone and fetched again", _repository, result.Items, result.Bytes, bad.Length);
        _settings.Mirror.Report(new MirrorScrubReport(_repository, result.Items, result.Bytes, bad.Length, result.Repaired.Count, ended.StartedAt, Now, unmended));
        var (open, now) = (_open, Now);
        open?.Mark(() => open.Marks.Checked(now, left.Length == 0));
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

    // The index was thrown away, or holds a revision that is not history any more: what it should have is in this mirror's own journal and in what has come;
    // where that is lost too, the whole history is asked for again.
    private void Reindex(string why)
    {
        var (open, journal, id, stopping, coming) = (_open!, _settings.Journal, PersistenceId, _stopping.Token, _carried.Then(_pending).Records);
        var forgotten = _state.Forgotten;
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

            for (int i = 0; i < records.Count; i++)
                records[i] = forgotten.Contains(records[i].Revision) ? RevisionRecords.Forgotten(records[i].Revision, records[i].Previous) : records[i];
            records.AddRange(coming);
            var lacking = RecordChain.Behind(open.Store.IndexedRevision, records);
            if (lacking is null)
            {
                await open.ForgetIndexAsync(stopping).ConfigureAwait(false);
                lacking = RecordChain.Behind(0, records);
            }

            if (lacking is null)
                return false;
            // What has come is indexed when it is served.
            await open.ReindexAsync([.. lacking.Except(coming)], stopping).ConfigureAwait(false);
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

    private sealed class ScrubReporter(Action<ScrubProgress> report) : IProgress<ScrubProgress>
    {
        public void Report(ScrubProgress value) => report(value);
    }
}
