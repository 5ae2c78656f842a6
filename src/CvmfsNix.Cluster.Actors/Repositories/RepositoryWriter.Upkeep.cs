using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What is due by the clock: superseded catalogs are collected, the whitelist is renewed.</content>
internal sealed partial class RepositoryWriter
{
    private void KeepHouse()
    {
        if (_phase != Phase.Idle)
            return;
        if (_state.Collect(_settings.CatalogsKeep, Now) is { } collected)
            Upkeep(collected);
        else if (_state.WhitelistExpiresAt - Now < WhitelistRenewal && _local!.Backend.SignWhitelist(Now) is { } fresh)
            Upkeep(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now));
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
        return every < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : every > TimeSpan.FromMinutes(5) ? TimeSpan.FromMinutes(5) : every;
    }
}
