using Akka.Event;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What is due by the clock: superseded catalogs are collected, the whitelist is renewed.</content>
internal sealed partial class RepositoryWriter
{
    private void KeepHouse()
    {
        if (_phase != Phase.Idle || CommitTime.Skew(_state, Now) is not null)
            return;
        if (_state.Collect(_settings.CatalogsKeep, Now) is { } collected)
            Upkeep(collected);
        else if (_state.WhitelistExpiresAt - Now < WhitelistRenewal && _local!.Backend.SignWhitelist(Now) is { } fresh)
            Upkeep(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now));
        else if ((CommitTime.Obstacle(_state, Now)?.Message ?? CommitTime.Warning(_state, Now) ?? "") is var warning && warning != _warned)
            Warn(warning);
    }

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
