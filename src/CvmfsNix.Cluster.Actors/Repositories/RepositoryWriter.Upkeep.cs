using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What is due by the clock: superseded catalogs are collected, the grace of removed paths ends, the whitelist is renewed.</content>
internal sealed partial class RepositoryWriter
{
    private static readonly TimeSpan HoldTimeout = TimeSpan.FromSeconds(10);

    private sealed record HoldKnown(ulong? OldestServed);

    private sealed record HoldUnknown(Exception Cause);

    private bool _askingHold;
    private bool _houseDue;
    private HoldKnown? _holdDue;

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
        if (_state.Collect(_settings.CatalogsKeep, Now) is not null || CollectionRules.Expire(_state, Grace, Now, null) is not null)
            AskHold();
        LookForRemovals();
        if (_state.WhitelistExpiresAt - Now < WhitelistRenewal && _local!.Backend.SignWhitelist(Now) is { } fresh && fresh.ExpiresAt > _state.WhitelistExpiresAt)
            Upkeep(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now));
        else if ((CommitTime.Obstacle(_state, Now)?.Message ?? CommitTime.Warning(_state, Now) ?? "") is var warning && warning != _warned)
            Warn(warning);
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
        if (CommitTime.Skew(_state, Now) is not null)
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
        return every < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : every > HousekeepingMax ? HousekeepingMax : every;
    }
}
