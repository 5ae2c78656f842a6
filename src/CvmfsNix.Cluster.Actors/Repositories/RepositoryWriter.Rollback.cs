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
/// Back to what an earlier revision had, by new revisions: first one with what was removed since, if anything was, then one without what came since. Each is closed and
/// checked like any other, and nothing is committed in between. History is not cut: what is given up can be had back the same way.
/// </content>
internal sealed partial class RepositoryWriter
{
    private const string TrunkPrevious = "trunk-previous";
    private const string TagList = "cvmfsnix tag list shows the tags there are, and pbm revision list the newest revisions.";

    private sealed record RollbackPrepared(long Attempt, ulong To, RollbackPlan Plan, Revision? Revision, bool Returns);

    private sealed record Rollback(RollBack Request, IActorRef Asker)
    {
        public ulong To { get; init; }

        public long Returned { get; init; }

        public long Removed { get; init; }

        public bool ReturnDone { get; init; }
    }

    private Rollback? _rollback;

    private void StartRollback(RollBack request, IActorRef asker)
    {
        if (CommitTime.Obstacle(_state, Now) is { } obstacle)
        {
            asker.Tell(new Failed(obstacle.Code, obstacle.Message, _definition.Repository.Value, "Try again when it is gone; it is safe."));
            return;
        }

        var head = _state.Head!;
        ulong? to = request.Revision > 0 ? request.Revision
            : request.Tag == TrunkPrevious ? head.Previous?.Revision
            : head.NamedTags.FirstOrDefault(t => t.Name == request.Tag)?.Revision;
        if (to is not { } wanted)
            asker.Tell(new Failed(PublishingCodes.UnknownTag, $"{_definition.Repository} has no tag {request.Tag}.", request.Tag, TagList));
        else if (wanted > head.Revision)
            asker.Tell(new Failed(PublishingCodes.UnknownRevision, $"{_definition.Repository} has no revision {wanted}; the newest is {head.Revision}.", _definition.Repository.Value, TagList));
        else
            _rollback = new Rollback(request, asker) { To = wanted };
    }

    private void PrepareRollback()
    {
        var rollback = _rollback!;
        _retentionInWork = (rollback.Request, rollback.Asker);
        _phase = Phase.Preparing;
        var attempt = ++_attempt;
        var state = _state;
        var now = Now;
        Run(PrepareAsync).PipeTo(Self, success: p => p, failure: e => new RetentionFailed(attempt, e));
        return;

        async Task<RollbackPrepared> PrepareAsync()
        {
            var backend = _local!.Backend;
            var since = await SinceAsync(rollback.To, state).ConfigureAwait(false);
            var plan = await backend.PlanRollbackAsync(state, since, _stopping.Token).ConfigureAwait(false);
            if (!rollback.ReturnDone && (plan.Returning.Count > 0 || plan.Profiles.Count > 0))
            {
                RequireNotGone(plan, since, state, rollback.To);
                if (await backend.PrepareReturnAsync(state, plan, now, _stopping.Token).ConfigureAwait(false) is { } returned)
                    return new RollbackPrepared(attempt, rollback.To, plan, returned, true);
            }

            RequireExplained(plan, state, rollback.To);
            var without = plan.Leaving.Count == 0 && plan.Dropped.Count == 0
                ? null
                : await backend.PrepareRemovalAsync(state.Head!, plan.Leaving, keepNeeded: false, plan.Dropped, now, _stopping.Token).ConfigureAwait(false);
            return new RollbackPrepared(attempt, rollback.To, plan, without, false);
        }
    }

    // Every revision is at least one event, so none lies before its own number.
    private async Task<IReadOnlyList<Revision>> SinceAsync(ulong to, RepositoryState state)
    {
        var since = new List<Revision>();
        bool found = false;
        await foreach (var (_, @event) in _settings.Journal.ReadAsync(PersistenceId, (long)to, _stopping.Token).ConfigureAwait(false))
        {
            var revision = @event switch
            {
                RepositoryCreated e => e.Initial,
                RevisionCommitted e => e.Revision,
                _ => null,
            };
            found |= revision?.Head.Revision == to;
            if (revision is not null && revision.Head.Revision > to && revision.Head.Revision <= state.Head!.Revision)
                since.Add(revision);
        }

        return found
            ? since
            : throw new RollbackRefusedException(PublishingCodes.UnknownRevision, $"{_definition.Repository} has no revision {to}; the newest is {state.Head!.Revision}.", TagList);
    }

    private void RequireNotGone(RollbackPlan plan, IReadOnlyList<Revision> since, RepositoryState state, ulong to)
    {
        if (plan.Returning.Count > 0 && since.Any(r => r.PathsRemoved > 0 && r.Head.Revision <= state.ExpiredRemoval))
        {
            throw new RollbackRefusedException(
                PublishingCodes.UnknownRevision,
                $"{plan.Returning.Count} paths were removed from {_definition.Repository} since revision {to}, as {plan.Returning[0]}, and what was removed up to revision {state.ExpiredRemoval} is gone for good.",
                "Go back to a revision after the removal, or publish the paths again; the grace of removed paths is --gc-grace.");
        }
    }

    // What cannot be had back has to be missing on purpose.
    private void RequireExplained(RollbackPlan plan, RepositoryState state, ulong to)
    {
        if (plan.Returning.Count > 0 && !plan.Returning.Any(p => state.Withdrawn.ContainsKey(p.Value)))
        {
            throw new RollbackRefusedException(
                PublishingCodes.TooFewCopies,
                $"Revision {to} of {_definition.Repository} had {plan.Returning.Count} paths whose objects are on no store that can be reached, as {plan.Returning[0]}.",
                "Bring stores back, and say it again; it is safe.");
        }
    }

    private void AppendRollback(RollbackPrepared prepared)
    {
        var rollback = _rollback!;
        _retentionInWork = null;
        _inFlight = [];
        _decided = [];
        if (prepared.Revision is not { } revision)
        {
            _phase = Phase.Idle;
            Answer(rollback, prepared);
            TryPrepare();
            return;
        }

        _phase = Phase.Appending;
        _log.Warning("{0}: {1} goes back to revision {2}, by revision {3}", _definition.Repository, rollback.Request.By, prepared.To, revision.Head.Revision);
        long before = _state.Head!.Paths;
        _adopted = () =>
        {
            if (prepared.Returns)
                _rollback = rollback with { Returned = revision.Head.Paths - before, ReturnDone = true };
            else
                Answer(rollback with { Removed = revision.PathsRemoved }, prepared);
        };
        PersistAsync(new RevisionCommitted(revision, [], [.. _settled], Now), e => Appended(e, revision));
    }

    private void Answer(Rollback rollback, RollbackPrepared prepared)
    {
        _rollback = null;
        var head = _state.Head!;
        IReadOnlyList<StorePathName> leftOut = prepared.Plan.Returning;
        rollback.Asker.Tell(new RolledBack(
            prepared.To, head.Revision, head.RootHash.ToString(), LastSequenceNr, rollback.Returned, rollback.Removed, [.. leftOut.Take(ListedAtOnce)], leftOut.Count));
    }

    private sealed class RollbackRefusedException(string code, string message, string hint) : Exception(message)
    {
        public string Code => code;

        public string Hint => hint;
    }
}
