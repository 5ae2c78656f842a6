using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Store.Steps;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What is due by the clock: superseded catalogs are collected, the grace of removed paths ends, the whitelist is renewed.</content>
internal sealed partial class RepositoryWriter
{
    private static readonly TimeSpan HoldTimeout = TimeSpan.FromSeconds(10);

    private sealed record HoldKnown(ulong? OldestServed);

    private sealed record HoldUnknown(Exception Cause);

    private sealed record ForgettingPlanned(RevisionSet Revisions);

    private sealed record ForgettingFailed(Exception Cause);

    private JournalView? _records;
    private RevisionSet _forgettable = RevisionSet.Empty;
    private bool _planningForgetting;
    private ulong _forgettingLookedAt;
    private DateTimeOffset _forgettingLookedWhen = DateTimeOffset.MinValue;
    private bool _askingHold;
    private bool _houseDue;
    private HoldKnown? _holdDue;

    private void TakeUpkeep()
    {
        Command<ForgettingPlanned>(planned =>
        {
            _planningForgetting = false;
            _forgettable = planned.Revisions;
            _houseDue = !_forgettable.IsEmpty;
            TryPrepare();
        });
        Command<ForgettingFailed>(failed =>
        {
            _planningForgetting = false;
            _log.Warning("{0}: record files of revisions of which nothing is left stay for now: {1}", _definition.Repository, failed.Cause.Message);
        });
    }

    // True when something is under way now. A queue that is never empty leaves no idle moment: what was due meanwhile comes before the next batch.
    private bool TryHousekeeping()
    {
        if (_holdDue is { } hold)
            Collect(hold);
        if (_houseDue && _phase == Phase.Idle)
            KeepHouse();
        return _phase != Phase.Idle;
    }

    private void KeepHouse()
    {
        _houseDue = _phase != Phase.Idle;
        if (_houseDue || CommitTime.Skew(_state, Now) is not null)
            return;
        bool paused = _state.Retention.Paused;
        if (!paused && (_state.Collect(_settings.CatalogsKeep, Now) is not null || CollectionRules.Expire(_state, Grace, Now, null) is not null))
            AskHold();
        LookForRemovals();
        if (!paused && _phase == Phase.Idle && !_forgettable.IsEmpty)
        {
            var forgotten = new RecordsForgotten(_forgettable, Now);
            _forgettable = RevisionSet.Empty;
            Upkeep(forgotten);
            return;
        }

        if (!paused)
            LookForForgettable();
        LookAtNixDatabase();
        if (_state.WhitelistExpiresAt - Now < WhitelistRenewal && _local!.Backend.SignWhitelist(Now, KeyRotation.AlsoListed(_state, Now)) is { } fresh && fresh.ExpiresAt > _state.WhitelistExpiresAt)
            Upkeep(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now));
        else if ((CommitTime.Obstacle(_state, Now)?.Message ?? CommitTime.Warning(_state, Now) ?? "") is var warning && warning != _warned)
            Warn(warning);
    }

    // Beside the commits: it looks at all record files. What is forgettable once stays so, whatever is committed meanwhile.
    private void LookForForgettable()
    {
        if (_planningForgetting || _phase != Phase.Idle || _state.ExpiredRemoval <= _forgettingLookedAt || Now - _forgettingLookedWhen < Grace / 4)
            return;
        (_planningForgetting, _forgettingLookedAt, _forgettingLookedWhen) = (true, _state.ExpiredRemoval, Now);
        var view = _records ??= new JournalView(_definition.Repository, _settings.Journal);
        var (state, sequence, backend) = (_state, LastSequenceNr, _local!.Backend);
        Task.Run(async () =>
        {
            await view.AtAsync(sequence, _stopping.Token).ConfigureAwait(false);
            return await backend.PlanForgettingAsync(state, [.. view.Records.Kept], _stopping.Token).ConfigureAwait(false);
        }).PipeTo(Self, success: revisions => new ForgettingPlanned(revisions), failure: e => new ForgettingFailed(e));
    }

    // Nothing is collected that a replica still serves; while the replicas cannot be asked, nothing is collected at all.
    private void AskHold()
    {
        if (_askingHold)
            return;
        _askingHold = true;
        OldestServedAsync().PipeTo(Self, success: oldest => new HoldKnown(oldest), failure: e => new HoldUnknown(e));
    }

    private async Task<ulong?> OldestServedAsync()
    {
        var replicas = new List<ReplicaSummary>();
        while (true)
        {
            var question = new ReplicaProtocol.ListReplicas(_definition.Repository, replicas.Count == 0 ? "" : replicas[^1].Key.Replica.Value);
            var part = await _settings.Directories.Ask<ReplicaProtocol.ReplicaList>(question, HoldTimeout, _stopping.Token).ConfigureAwait(false);
            replicas.AddRange(part.Replicas);
            if (!part.More || part.Replicas.Count == 0)
                return CollectionHold.OldestServed(replicas, Now);
        }
    }

    private void Collect(HoldKnown hold)
    {
        _holdDue = _phase == Phase.Idle ? null : hold;
        if (_holdDue is not null)
            return;
        _askingHold = false;
        if (CommitTime.Skew(_state, Now) is not null || _state.Retention.Paused)
            return;
        if (_state.Collect(_settings.CatalogsKeep, Now, hold.OldestServed) is { } collected)
            Upkeep(collected);
        else if (CollectionRules.Expire(_state, Grace, Now, hold.OldestServed) is { } expired)
            Upkeep(expired);
    }

    // What clients of a superseded revision may still read outlives its catalogs.
    private TimeSpan Grace => _settings.GcGrace > _settings.CatalogsKeep ? _settings.GcGrace : _settings.CatalogsKeep;

    private void Warn(string warning)
    {
        _warned = warning;
        if (warning.Length > 0)
            _log.Warning("{0}: {1}", _definition.Repository, warning);
    }

    private void Upkeep(IRepositoryEvent @event)
    {
        _phase = Phase.Appending;
        StepProbe.At(StepNames.UpkeepBefore, _definition.Repository.Value);
        PersistAsync(@event, e =>
        {
            StepProbe.At(StepNames.UpkeepAfter, _definition.Repository.Value);
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
        return every < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : every > HousekeepingMax ? HousekeepingMax : every;
    }
}
