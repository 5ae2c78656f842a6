using System.Diagnostics;
using Akka.Actor;
using Akka.Hosting;
using CvmfsNix.Cluster.Actors.Forming;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Leadership;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>
/// Runs actor systems one after the other: waits for the database, starts one, brings it into the cluster, and starts over when it was put out.
/// <code>
///  database ──► start actors ──► keys ──► join ──► member ──downed, leadership lost, superseded──╮
///     ▲                                              │ asked to stop: hands over, leaves, ends    │
///     ╰──────────────────────────────────────────────┴────────────────────────────────────────────╯
/// </code>
/// </summary>
internal sealed class CoreLife(
    CoreOptions options, IJournalDatabase database, IJournalReader journal, CoreSystem core, ClusterParking parking, ILoggerFactory loggers, CoreActors actors) : IHostedService, IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClockRefusal = TimeSpan.FromHours(1);
    private static readonly TimeSpan Settled = TimeSpan.FromMinutes(1);
    private const int ShortLivesMax = 10;

    private readonly ILogger _log = loggers.CreateLogger<CoreLife>();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _firstStarted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _port = options.RemotingPort;
    private bool _lived;
    private bool _running;

    /// <summary>Completes when this node gives up coming back, or was stopped; fails when it must not run as it is configured.</summary>
    public Task Ended => _ended.Task;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _running = true;
        var running = Task.Run(RunAsync, CancellationToken.None);
        // A journal of its own is either there or broken. A shared one may take its time, and HTTP is served meanwhile.
        if (database.Membership is null)
        {
            await Task.WhenAny(_firstStarted.Task, running).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (_ended.Task.IsFaulted)
                await _ended.Task.ConfigureAwait(false);
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        // Not the host's token: a hand-over that was begun is finished, and every step of it is bounded.
        await _stopping.CancelAsync().ConfigureAwait(false);
        await ((Task)_ended.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    // A host that failed to start is disposed without having been stopped.
    public async ValueTask DisposeAsync()
    {
        if (_running)
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        int shortLives = 0;
        try
        {
            while (!_stopping.IsCancellationRequested && shortLives < ShortLivesMax)
            {
                long started = Stopwatch.GetTimestamp();
                await LiveAsync(_stopping.Token).ConfigureAwait(false);
                if (parking.IsParked)
                {
                    await StayOutAsync(_stopping.Token).ConfigureAwait(false);
                    shortLives = 0;
                    continue;
                }

                shortLives = Stopwatch.GetElapsedTime(started) < Settled ? shortLives + 1 : 0;
                await Task.Delay(FirstPause * Math.Max(1, shortLives), _stopping.Token).ConfigureAwait(false);
            }

            if (!_stopping.IsCancellationRequested)
                _log.LogCritical("This node was put out of its cluster {Count} times shortly after it had joined; it gives up and wants to be started again", shortLives);
            _ended.TrySetResult();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            _ended.TrySetResult();
        }
        catch (Exception e)
        {
            core.Ended(e.Message);
            _ended.TrySetException(e);
        }
    }

    private async Task LiveAsync(CancellationToken ct)
    {
        await PrepareDatabaseAsync(ct).ConfigureAwait(false);
        if (TryCreate() is not { } life)
            return;
        string why = "The node stops.";
        try
        {
            // Another life has to be found at the same address.
            _port = life.Cluster.SelfAddress.Port ?? _port;
            core.Started(life);
            await life.StartAsync(ct).ConfigureAwait(false);
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(ct, life.Ended);
            try
            {
                why = database.Membership is { } table
                    ? await AsMemberAsync(life, table, ended.Token).ConfigureAwait(false)
                    : await AloneAsync(life, ended.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (life.Ended.IsCancellationRequested && !ct.IsCancellationRequested)
            {
                var reason = CoordinatedShutdown.Get(life.System).ShutdownReason;
                why = reason is LeadershipEnded over ? over.Why : "the cluster put it out";
                // Told to leave over another member.
                if (reason is CoordinatedShutdown.ClusterLeavingReason)
                    parking.Park();
            }
            catch (Exception e) when (Passes(e))
            {
                why = e.GetBaseException().Message;
            }
        }
        finally
        {
            _lived = true;
            core.Ended($"It has to join again: {why}.");
            if (!ct.IsCancellationRequested && !parking.IsParked)
                _log.LogError("This node has to join the cluster again: {Why}; what it has is served meanwhile", why);
            await life.DisposeAsync().ConfigureAwait(false);
        }
    }

    // What it has is served meanwhile.
    private async Task StayOutAsync(CancellationToken ct)
    {
        core.Ended(ClusterParking.Reason);
        _log.LogWarning("This node has left its cluster: {Why}", ClusterParking.Reason);
        await parking.FreeAsync(ct).ConfigureAwait(false);
        core.WaitsFor("The node is starting.");
    }

    // The first time a port that is taken is a mistake; later it may be the last life's that is not quite over.
    private ActorSystemLife? TryCreate()
    {
        try
        {
            return ActorSystemLife.Create(builder => actors.Configure(builder, _port), loggers);
        }
        catch (Exception e) when (_lived)
        {
            _log.LogError(e, "The actor system cannot be started again; it is tried once more");
            return null;
        }
    }

    private async Task<string> AloneAsync(ActorSystemLife life, CancellationToken ct)
    {
        await life.Cluster.JoinAsync(life.Cluster.SelfAddress, ct).ConfigureAwait(false);
        core.IsMember();
        _firstStarted.TrySetResult();
        try
        {
            await Task.Delay(Timeout.Infinite, ct).ConfigureAwait(false);
        }
        finally
        {
            await StopAsync(life).ConfigureAwait(false);
        }

        throw new UnreachableException();
    }

    private async Task<string> AsMemberAsync(ActorSystemLife life, IMembershipTable table, CancellationToken ct)
    {
        await HaveKeysAsync(ct).ConfigureAwait(false);
        var forming = new ClusterForming(life.Cluster, table, options.Seeds, FormingTimes.Default, core.WaitsFor, loggers.CreateLogger<ClusterForming>());
        try
        {
            await forming.JoinAsync(ct).ConfigureAwait(false);
            core.IsMember();
            _firstStarted.TrySetResult();
            return await forming.BeatAsync(ct).ConfigureAwait(false);
        }
        finally
        {
            // Members that stay have the ledgers and the leadership before this node is gone from the table.
            await StopAsync(life).ConfigureAwait(false);
            using var bounded = new CancellationTokenSource(LongestPause);
            await ((Task)forming.LeftAsync(bounded.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // The database may go away between two steps, or a question be answered too late. Only what an operator has to change ends a node.
    private bool Passes(Exception e) => database.Membership is not null && e is not (OperationCanceledException or JournalException or StartRefusedException);

    private static Task StopAsync(ActorSystemLife life) =>
        life.Terminated.IsCompleted ? Task.CompletedTask : life.StopAsync(CoordinatedShutdown.ClrExitReason.Instance);

    // ---- before joining ----

    private async Task PrepareDatabaseAsync(CancellationToken ct)
    {
        var pause = FirstPause;
        while (true)
        {
            try
            {
                var notes = await database.PrepareAsync(ct).ConfigureAwait(false);
                foreach (string note in _lived ? [] : notes)
                    _log.LogWarning("{Note}", note);
                await CheckClockAsync(ct).ConfigureAwait(false);
                return;
            }
            catch (JournalUnavailableException e)
            {
                core.WaitsFor(e.Message);
                _log.LogWarning("{Problem} Waiting for it; next try in {Pause:0.0} s", e.Message, pause.TotalSeconds);
            }

            await Task.Delay(pause, ct).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private async Task CheckClockAsync(CancellationToken ct)
    {
        var databaseNow = await database.NowAsync(ct).ConfigureAwait(false);
        var skew = DateTimeOffset.UtcNow - databaseNow;
        if (skew.Duration() < ClockRefusal)
            return;
        string message = $"The clock of this node is {skew.TotalHours:0.0} hours off the journal database's ({databaseNow:u}). Correct the clock that is wrong.";
        throw _lived ? new JournalUnavailableException(message) : new StartRefusedException(message);
    }

    private async Task HaveKeysAsync(CancellationToken ct)
    {
        var check = new KeyCheck(options.KeysDirectory);
        string said = "";
        while (await check.MissingAsync(journal, ct).ConfigureAwait(false) is { Length: > 0 } missing)
        {
            core.WaitsFor(missing);
            if (missing != said)
                _log.LogError("{Missing}", missing);
            said = missing;
            await Task.Delay(TimeSpan.FromSeconds(1), ct).ConfigureAwait(false);
        }
    }
}
