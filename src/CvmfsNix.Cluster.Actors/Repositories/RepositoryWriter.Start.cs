using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using Microsoft.Extensions.Logging;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>From recovery to the first batch: the store is opened and caught up, the repository created or led.</content>
internal sealed partial class RepositoryWriter
{
    private void Open()
    {
        if (_state.Epoch > _settings.Epoch || (_state.Epoch == _settings.Epoch && _state.Leader != _settings.Node))
        {
            _problem = $"Another leader ({_state.Leader}, epoch {_state.Epoch}) writes to this repository.";
            _settings.Leader.Tell(new LeadershipLost(_definition.Repository, _state.Epoch, _state.Leader));
            return;
        }

        if (_local is not null)
        {
            CatchUp(_local);
            return;
        }

        _opening = OpenAsync();
        _opening.PipeTo(Self, success: r => new Opened(r), failure: e => new StartFailed(e));
        return;

        async Task<LocalRepository> OpenAsync()
        {
            var local = await _settings.Local.OpenAsync(_definition, _settings.Journal, _stopping.Token).ConfigureAwait(false);
            await local.WriterGate.WaitAsync(_stopping.Token).ConfigureAwait(false);
            return local;
        }
    }

    private void CatchUp(LocalRepository local)
    {
        _local = local;
        // Cheap checks first; the index must hold every revision of the journal before a batch is decided with it.
        if (local.Backend.KeyProblem(_state.Certificate ?? _definition.Certificate) is { } keys)
        {
            StartAgain(keys, PublishingCodes.KeysMissing);
            _settings.Leader.Tell(new CannotLead(_definition.Repository, keys));
            return;
        }

        Run(CatchUpAsync).PipeTo(Self, success: c => c, failure: e => new StartFailed(e));
        return;

        async Task<CaughtUp> CatchUpAsync()
        {
            await local.Backend.DiscardAsync(_stopping.Token).ConfigureAwait(false);
            await local.CatchUpAsync(_stopping.Token).ConfigureAwait(false);
            var (applied, store) = await local.Backend.HighestAppliedElsewhereAsync(_stopping.Token).ConfigureAwait(false);
            return local.Backend.AppliedSequence >= applied ? new CaughtUp(local.Backend.AppliedSequence, "of this node") : new CaughtUp(applied, store);
        }
    }

    // What any store has seen was in a journal once. Either this actor has recovered before another writer appended, or the journal is not
    // the one the stores have followed.
    private void Compare(CaughtUp stores)
    {
        if (stores.Applied <= LastSequenceNr)
        {
            CreateOrLead();
            return;
        }

        Run(() => CountAsync(LastSequenceNr + 1)).PipeTo(Self, success: last => new Counted(last, stores), failure: e => new StartFailed(e));
        return;

        async Task<long> CountAsync(long from)
        {
            long last = from - 1;
            await foreach (var (sequenceNumber, _) in _settings.Journal.ReadAsync(PersistenceId, from, _stopping.Token).ConfigureAwait(false))
                last = sequenceNumber;
            return last;
        }
    }

    private void Judge(Counted counted)
    {
        if (counted.Last > LastSequenceNr)
        {
            _log.Info("{0}: the journal has grown to event {1} since it was recovered; it is recovered again", _definition.Repository, counted.Last);
            Context.Stop(Self);
            return;
        }

        StartAgain($"{PublishingCodes.JournalBehindStores}: the journal of {_definition.Repository} ends at event {counted.Last}, but the store {counted.Stores.Store} has seen event {counted.Stores.Applied}. An old backup of the journal, or a standby that lagged? Bring back the newest journal; or stop all core nodes and mend this one: cvmfsnix repo recover {_definition.Repository}.", PublishingCodes.JournalBehindStores);
    }

    private void CreateOrLead()
    {
        if (_state.Definition is not null)
        {
            Lead();
            return;
        }

        var now = Now;
        Run(() => CreateAsync(_local!)).PipeTo(Self, success: e => new InitialPrepared(e), failure: e => new StartFailed(e));
        return;

        async Task<RepositoryCreated> CreateAsync(LocalRepository local)
        {
            var whitelist = local.Backend.SignWhitelist(now)
                ?? throw new InvalidOperationException($"{_definition.Repository} cannot be created: its master key is not on this node.");
            var initial = await local.Backend.PrepareInitialAsync(now, _stopping.Token).ConfigureAwait(false);
            return new RepositoryCreated(_definition, whitelist.Bytes, whitelist.ExpiresAt, initial, now);
        }
    }

    private void Lead()
    {
        if (CommitTime.Skew(_state, Now) is { } skew)
        {
            StartAgain(skew.Message, skew.Code);
            return;
        }

        // A restart within the same leadership goes on under the mark that is there.
        if (_state.Epoch == _settings.Epoch)
            Work();
        else
            PersistAsync(new LeaderStarted(_settings.Epoch, _settings.Node, Now), e =>
            {
                Written(e);
                Work();
            });
    }

    private void Work()
    {
        _phase = Phase.Idle;
        _problem = "";
        _problemCode = "";
        Timers.StartPeriodicTimer(nameof(TellAgain), new TellAgain(), TimeSpan.Zero, TellAgainEvery);
        Timers.StartPeriodicTimer(nameof(Housekeeping), new Housekeeping(), TimeSpan.Zero, HousekeepingEvery());
        for (int bucket = 0; bucket < LedgerBucket.Count; bucket++)
            _settings.Ledgers.Tell(new OfferSealed(_definition.Repository, bucket));
        StartWatchingLedgers();
        _settings.Leader.Tell(new Ready(Status()));
        TellSigningKey();
        _settings.Log.LogInformation("{Repository} takes transactions from here, at revision {Revision}", _definition.Repository, _state.Head?.Revision);
        Announce();
        Warm();
        TryPrepare();
    }

    // What was written to a moment ago will be written to again; what lies idle takes no memory.
    private void Warm()
    {
        if (_state.Head is not { } head || Now - head.PublishedAt > WarmedFor)
            return;
        _warming = Task.Run(() => _local!.Backend.WarmAsync(head, _stopping.Token));
        _ = _warming.ContinueWith(
            failed => _settings.Log.LogDebug(failed.Exception, "{Repository}: its catalogs could not be opened beforehand; the first commit tells", _definition.Repository),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
    }

    private void StartAgain(string problem, string code = "")
    {
        if (problem != _problem)
            _log.Error("{0}: the writer cannot start: {1}", _definition.Repository, problem);
        _problem = problem;
        _problemCode = code;
        Timers.StartSingleTimer(nameof(Start), new Start(), StartAgainAfter);
    }
}
