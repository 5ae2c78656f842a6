using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Retention.RetentionProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>
/// Retention: rules, pins and withdrawals are appended between two commits; what may go is removed in parts, each a revision of its own, with room for
/// publishes in between.
/// </content>
internal sealed partial class RepositoryWriter
{
    private const int RetentionRequestsMax = 100;

    private static readonly TimeSpan RemovalPauseMin = TimeSpan.FromMilliseconds(50);

    /// <summary>Of the writer's time, removals take one part in this many.</summary>
    private const int RemovalShare = 5;

    private sealed record RemovalPlanned(long Run, IReadOnlyList<StorePathName> Paths);

    private sealed record RemovalPlanFailed(long Run, Exception Cause);

    private sealed record RemovalPrepared(long Attempt, Revision? Revision, int Asked);

    private sealed record RetentionFailed(long Attempt, Exception Cause);

    private sealed record WithdrawalPrepared(long Attempt, Revision? Revision, IReadOnlyList<StorePathName> Paths);

    private sealed record RemoveNext;

    private readonly Queue<(IRetentionRequest Request, IActorRef Asker)> _retentionRequests = new();
    private readonly Queue<StorePathName> _removing = new();
    private (IRetentionRequest Request, IActorRef Asker)? _retentionInWork;
    private RemovalIs _removal = RemovalIs.None;
    private long _removalRun;
    private RemovalPace _removalPace = new();
    private bool _removalDue;
    private long _removalPartStarted;
    private DateTimeOffset _removalLookedAt = DateTimeOffset.MinValue;
    private Action? _adopted;

    private void TakeRetention()
    {
        Command<GetRetention>(request => Sender.Tell(Describe(request.From)));
        Command<IRetentionRequest>(request =>
        {
            if (_phase == Phase.Starting || _retentionRequests.Count >= RetentionRequestsMax)
            {
                Sender.Tell(_phase == Phase.Starting
                    ? new Failed(PublishingCodes.NoLeader, _problem, _definition.Repository.Value, "Try again; it is safe.")
                    : new Failed(PublishingCodes.Overloaded, "Too many changes of retention wait.", _definition.Repository.Value, "Try again later."));
                return;
            }

            if (request is RemovePaths remove)
            {
                if (_state.Retention.Paused)
                {
                    Sender.Tell(new Failed(PublishingCodes.InvalidRequest, $"Removal and collection are paused in {_definition.Repository}.", _definition.Repository.Value, "Resume them first: pbm gc resume."));
                    return;
                }

                StartRemoval(remove.By);
                Sender.Tell(RemovalNow());
                return;
            }

            _retentionRequests.Enqueue((request, Sender));
            TryPrepare();
        });
        Command<RemovalPlanned>(planned => planned.Run == _removalRun && _removal.Running, planned =>
        {
            foreach (var path in planned.Paths)
                _removing.Enqueue(path);
            _log.Info("{0}: {1} paths are not kept by the rules and are removed", _definition.Repository, _removing.Count);
            _removalDue = true;
            if (_removing.Count == 0)
                EndRemoval("");
            TryPrepare();
        });
        Command<RemovalPlanFailed>(failed => failed.Run == _removalRun && _removal.Running, failed => EndRemoval(failed.Cause.Message));
        Command<RemovalPlanned>(_ => { });
        Command<RemovalPlanFailed>(_ => { });
        Command<RemoveNext>(_ =>
        {
            _removalDue = true;
            TryPrepare();
        });
        Command<RemovalPrepared>(prepared => prepared.Attempt == _attempt, AppendRemoval);
        Command<WithdrawalPrepared>(prepared => prepared.Attempt == _attempt, AppendWithdrawal);
        Command<RetentionFailed>(failed => failed.Attempt == _attempt, failed =>
        {
            _phase = Phase.Idle;
            if (_retentionInWork is { } asked)
                asked.Asker.Tell(RetentionRefusal(failed.Cause));
            else
                EndRemoval(failed.Cause.Message);
            _retentionInWork = null;
            _rollback = null;
            TryPrepare();
        });
        Command<RollbackPrepared>(prepared => prepared.Attempt == _attempt, AppendRollback);
        Command<RollbackPrepared>(_ => { });
        Command<RemovalPrepared>(_ => { });
        Command<WithdrawalPrepared>(_ => { });
        Command<RetentionFailed>(_ => { });
    }

    // True when a change is under way now.
    private bool TryRetention()
    {
        if (_rollback is not null)
        {
            PrepareRollback();
            return _phase != Phase.Idle || TryRetention();
        }

        if (_retentionRequests.TryDequeue(out var next))
        {
            switch (next.Request)
            {
                case SetRetention set when set.Rules.Problem is { } problem:
                    next.Asker.Tell(new Failed(PublishingCodes.InvalidRequest, problem, _definition.Repository.Value, "Choose other rules."));
                    return TryRetention();
                case SetRetention set when set.Rules == _state.Retention:
                    next.Asker.Tell(Describe(int.MaxValue));
                    return TryRetention();
                case SetRetention set:
                    AppendRetention(new RetentionSet(set.Rules, set.By, Now), next.Asker);
                    return true;
                case PinPaths pin when _state.Pins.Count + pin.Paths.Count > RetentionLimits.PinsMax && _state.Pins.Values.Count(p => p.Until > Now) + pin.Paths.Count > RetentionLimits.PinsMax:
                    next.Asker.Tell(new Failed(PublishingCodes.InvalidRequest, $"{_definition.Repository} has {_state.Pins.Count} pins, and there may be {RetentionLimits.PinsMax}.", _definition.Repository.Value, "Point a profile at what is to stay."));
                    return TryRetention();
                case PinPaths pin:
                    AppendRetention(new PathsPinned(pin.Paths, pin.Until, pin.By, Now), next.Asker);
                    return true;
                case WithdrawPath withdraw:
                    PrepareWithdrawal(withdraw, next.Asker);
                    return true;
                case RollBack back:
                    StartRollback(back, next.Asker);
                    return TryRetention();
            }
        }

        return _removing.Count > 0 && _removalDue && PrepareRemoval();
    }

    private void AppendRetention(IRetentionEvent @event, IActorRef asker)
    {
        _phase = Phase.Appending;
        PersistAsync((IRepositoryEvent)@event, e =>
        {
            Written(e);
            Announce();
            _phase = Phase.Idle;
            asker.Tell(Describe(int.MaxValue));
            TryPrepare();
        });
    }

    private void StartRemoval(string by)
    {
        if (_removal.Running)
            return;
        _log.Info("{0}: {1} asks for the removal of what the rules do not keep", _definition.Repository, by);
        _removalLookedAt = Now;
        _removalPace = new RemovalPace();
        _removal = RemovalIs.None with { Running = true, StartedAt = Now };
        var run = ++_removalRun;
        var state = _state;
        var now = Now;
        // Beside the commits: it looks at all paths. What has come since is looked at again when a part is made.
        Task.Run(() => _local!.Backend.PlanRemovalAsync(state, now, _stopping.Token)).PipeTo(
            Self, success: plan => new RemovalPlanned(run, plan.Removed), failure: e => new RemovalPlanFailed(run, e));
    }

    private bool PrepareRemoval()
    {
        if (CommitTime.Obstacle(_state, Now) is { } obstacle)
        {
            EndRemoval(obstacle.Message);
            return false;
        }

        // Pins and tags that were set, and rules that were changed since the plan was made.
        var pinned = _state.Pins.Values.Where(p => p.Until > Now).Select(p => p.Path).ToHashSet();
        var part = new List<StorePathName>();
        while (part.Count < _removalPace.AtOnce && _removing.TryDequeue(out var path))
        {
            if (!pinned.Contains(path))
                part.Add(path);
        }

        if (part.Count == 0 || !_state.Retention.Enabled || _state.Retention.Paused)
        {
            EndRemoval(_state.Retention.Paused ? "It was paused." : "");
            return false;
        }

        _removalDue = false;
        _phase = Phase.Preparing;
        var attempt = ++_attempt;
        var now = Now;
        var state = _state;
        var drop = RetentionPlanner.OldGenerations(state.Generations, state.Retention.ProfileGenerations);
        _removalPartStarted = _settings.Clock.GetTimestamp();
        Run(() => _local!.Backend.PrepareRemovalAsync(state.Head!, part, keepNeeded: true, drop, now, _stopping.Token))
            .PipeTo(Self, success: r => new RemovalPrepared(attempt, r, part.Count), failure: e => new RetentionFailed(attempt, e));
        return true;
    }

    private void AppendRemoval(RemovalPrepared prepared)
    {
        if (prepared.Revision is not { } revision)
        {
            _phase = Phase.Idle;
            NextPart(prepared.Asked);
            TryPrepare();
            return;
        }

        _phase = Phase.Appending;
        _inFlight = [];
        _decided = [];
        _adopted = () =>
        {
            _removal = _removal with { Removed = _removal.Removed + revision.PathsRemoved };
            NextPart(prepared.Asked);
        };
        Store.Steps.StepProbe.At(Store.Steps.StepNames.RemovalAppend, _definition.Repository.Value);
        PersistAsync(new RevisionCommitted(revision, [], [.. _settled], Now), e => Appended(e, revision));
    }

    private void NextPart(int asked)
    {
        if (_removing.Count == 0)
        {
            EndRemoval("");
            return;
        }

        var took = _settings.Clock.GetElapsedTime(_removalPartStarted);
        _removalPace.Took(asked, took);
        var pause = took * (RemovalShare - 1);
        Timers.StartSingleTimer(nameof(RemoveNext), new RemoveNext(), pause > RemovalPauseMin ? pause : RemovalPauseMin);
    }

    private void EndRemoval(string problem)
    {
        _removing.Clear();
        _removal = _removal with { Running = false, EndedAt = Now, Problem = problem };
        if (problem.Length > 0)
            _log.Warning("{0}: the removal of paths ended early: {1}", _definition.Repository, problem);
        else if (_removal.Removed > 0)
            _log.Info("{0}: {1} paths were removed", _definition.Repository, _removal.Removed);
    }

    private void PrepareWithdrawal(WithdrawPath request, IActorRef asker)
    {
        if (CommitTime.Obstacle(_state, Now) is { } obstacle)
        {
            asker.Tell(new Failed(obstacle.Code, obstacle.Message, request.Path.Value, "Try again when it is gone; it is safe."));
            TryPrepare();
            return;
        }

        if (_state.Withdrawn.Count >= RetentionLimits.TombstonesMax && !_state.Withdrawn.ContainsKey(request.Path.Value))
        {
            asker.Tell(new Failed(PublishingCodes.InvalidRequest, $"{_definition.Repository} remembers {_state.Withdrawn.Count} withdrawals, the most there may be.", request.Path.Value, ""));
            TryPrepare();
            return;
        }

        _retentionInWork = (request, asker);
        _phase = Phase.Preparing;
        var attempt = ++_attempt;
        var head = _state.Head!;
        var now = Now;
        Run(PrepareAsync).PipeTo(Self, success: p => p, failure: e => new RetentionFailed(attempt, e));
        return;

        async Task<WithdrawalPrepared> PrepareAsync()
        {
            var backend = _local!.Backend;
            var paths = await backend.DependentsAsync(request.Path, _stopping.Token).ConfigureAwait(false);
            var revision = paths.Count == 0 ? null : await backend.PrepareRemovalAsync(head, paths, keepNeeded: false, [], now, _stopping.Token).ConfigureAwait(false);
            return new WithdrawalPrepared(attempt, revision, paths);
        }
    }

    // Tombstone and revision are in the journal together or not at all.
    private void AppendWithdrawal(WithdrawalPrepared prepared)
    {
        var (request, asker) = ((WithdrawPath)_retentionInWork!.Value.Request, _retentionInWork.Value.Asker);
        _retentionInWork = null;
        _phase = Phase.Appending;
        _inFlight = [];
        _decided = [];
        var tombstone = new PathWithdrawn(request.Path, request.Reason, request.By, Now);
        _log.Warning("{0}: {1} takes {2} back, with {3} paths that need it: {4}", _definition.Repository, request.By, request.Path, Math.Max(0, prepared.Paths.Count - 1), request.Reason);
        void Reply() => asker.Tell(RemovalNow() with { Removed = prepared.Paths.Count, Paths = [.. prepared.Paths.Take(ListedAtOnce)], PathsCount = prepared.Paths.Count });
        if (prepared.Revision is not { } revision)
        {
            PersistAsync<IRepositoryEvent>(tombstone, e =>
            {
                Written(e);
                Announce();
                _phase = Phase.Idle;
                Reply();
                TryPrepare();
            });
            return;
        }

        _adopted = Reply;
        PersistAllAsync<IRepositoryEvent>([tombstone, new RevisionCommitted(revision, [], [.. _settled], Now)], e =>
        {
            if (e is RevisionCommitted)
                Appended(e, revision);
            else
                Written(e);
        });
    }

    // Once a day, or what an operator chose for tests: it costs a look at all paths.
    private void LookForRemovals()
    {
        if (_state.Retention is { Enabled: true, Automatic: true, Paused: false } && !_removal.Running && Now - _removalLookedAt >= _settings.RemovalEvery)
            StartRemoval("the clock");
    }

    private RemovalIs RemovalNow() => _removal with { Left = _removing.Count, Revision = _state.Head?.Revision ?? 0, SequenceNumber = LastSequenceNr };

    private RetentionIs Describe(int from) => new(
        _state.Retention,
        [.. _state.Generations.Skip(from).Take(ListedAtOnce)],
        [.. _state.Pins.Values.Skip(from).Take(ListedAtOnce)],
        [.. _state.Withdrawn.Values.Skip(from).Take(ListedAtOnce)],
        [.. _state.Removals.Skip(from).Take(ListedAtOnce)],
        _state.ExpiredRemoval,
        RemovalNow(),
        LastSequenceNr,
        from < int.MaxValue - ListedAtOnce && new[] { _state.Generations.Count, _state.Pins.Count, _state.Withdrawn.Count, _state.Removals.Count }.Max() > from + ListedAtOnce);

    private Failed RetentionRefusal(Exception cause) => cause is RollbackRefusedException refused
        ? new Failed(refused.Code, refused.Message, _definition.Repository.Value, refused.Hint)
        : cause is Copies.TooFewCopiesException
        ? new Failed(PublishingCodes.TooFewCopies, cause.Message, _definition.Repository.Value, "Bring stores back, or wait until they are; repeating the command is safe.")
        : new Failed(PublishingCodes.OutcomeUnknown, $"It could not be done: {cause.Message}", _definition.Repository.Value, "Try again; it is safe.");
}
