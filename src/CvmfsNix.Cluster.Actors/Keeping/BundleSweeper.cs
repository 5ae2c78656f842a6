using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Commit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>Deletes bundles from this node's stores once their transactions are decided, wherever they were decided: the ledger is asked.</summary>
internal sealed class BundleSweeper(IPublishingCore core, LocalRepositories local, CoreOptions options, TimeProvider clock, ILogger<BundleSweeper> log) : BackgroundService
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);

    private readonly Dictionary<LocalRepository, BundleSweep> _sweeps = [];
    private readonly Dictionary<LocalRepository, string> _problems = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromTicks(Math.Clamp(options.BundlesKeep.Ticks / 4, ShortestPause.Ticks, LongestPause.Ticks)));
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            foreach (var repository in local.All)
                await SweepAsync(repository, stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task SweepAsync(LocalRepository repository, CancellationToken ct)
    {
        if (repository.Backend is not StoreBackend backend)
            return;
        if (!_sweeps.TryGetValue(repository, out var sweep))
            _sweeps.Add(repository, sweep = new BundleSweep(backend.Store, clock, options.BundlesKeep, options.TransactionRetention + LedgerLimits.ForgetMargin + LedgerLimits.ClockAheadMax));
        try
        {
            var (deleted, failed, problem) = await sweep.RunAsync((id, token) => UseAsync(repository, id, token), ct).ConfigureAwait(false);
            if (deleted > 0)
                log.LogDebug("{Repository}: {Bundles} bundles of decided transactions deleted", repository.Definition.Repository, deleted);
            Tell(repository, failed, problem);
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            Tell(repository, 0, e);
        }
    }

    // A bundle that stays keeps its objects, so it costs space for as long: said once for each reason.
    private void Tell(LocalRepository repository, int failed, Exception? problem)
    {
        if (problem is null)
            _problems.Remove(repository);
        else if (_problems.GetValueOrDefault(repository) != problem.Message)
            log.LogWarning(problem, "{Repository}: bundles of transactions were not swept ({Failed} of them), and their objects are not collected; it is tried again", repository.Definition.Repository, failed);
        if (problem is not null)
            _problems[repository] = problem.Message;
    }

    private async Task<BundleUse> UseAsync(LocalRepository repository, Guid transaction, CancellationToken ct)
    {
        // None of ours, and nobody can seal it.
        if (!TransactionId.TryParse(transaction.ToString("D"), out var id))
            return BundleUse.NotSealed;
        try
        {
            var view = await core.GetTransactionAsync(repository.Definition.Repository.Value, id, ct).ConfigureAwait(false);
            return view.Status switch
            {
                TransactionStatus.Committed => view.Revision <= repository.Revision ? BundleUse.Decided : BundleUse.Needed,
                TransactionStatus.Rejected => BundleUse.Decided,
                TransactionStatus.Sealed => BundleUse.Needed,
                _ => BundleUse.NotSealed,
            };
        }
        catch (PublishingException e) when (e.Code is PublishingCodes.UnknownTransaction or PublishingCodes.TransactionAborted)
        {
            return BundleUse.NotSealed;
        }
    }
}
