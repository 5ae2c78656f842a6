using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>
/// The database of Nix in the tree: commits that follow each other quickly do not all store it. What it lacks when they have ended comes with a revision of its own, and so does what a leader that was lost left out.
/// </content>
internal sealed partial class RepositoryWriter
{
    private static readonly TimeSpan NixDatabaseAgain = TimeSpan.FromSeconds(10);

    private sealed record NixDatabaseTick;

    private sealed record NixDatabasePrepared(long Attempt, Revision? Revision);

    private sealed record NixDatabaseFailed(long Attempt, Exception Cause);

    private bool _nixDatabaseDue;

    private void TakeNixDatabase()
    {
        Command<NixDatabaseTick>(_ =>
        {
            _nixDatabaseDue = true;
            TryPrepare();
        });
        Command<NixDatabasePrepared>(prepared => prepared.Attempt == _attempt, prepared =>
        {
            if (prepared.Revision is not { } revision)
            {
                _phase = Phase.Idle;
                TryPrepare();
                return;
            }

            _phase = Phase.Appending;
            _inFlight = [];
            _decided = [];
            PersistAsync(new RevisionCommitted(revision, [], [.. _settled], Now), e => Appended(e, revision));
        });
        Command<NixDatabaseFailed>(failed => failed.Attempt == _attempt, failed =>
        {
            _log.Warning("{0}: the database of Nix in the tree stays behind for now: {1}", _definition.Repository, failed.Cause.Message);
            _phase = Phase.Idle;
            Timers.StartSingleTimer(nameof(NixDatabaseTick), new NixDatabaseTick(), NixDatabaseAgain);
            TryPrepare();
        });
        Command<NixDatabasePrepared>(_ => { });
        Command<NixDatabaseFailed>(_ => { });
    }

    // After a commit; and now and then, since the leader before, or a commit that came to nothing, may have left paths out.
    private void LookAtNixDatabase()
    {
        if (_local?.Backend.NixDatabaseDueIn is { } due)
            Timers.StartSingleTimer(nameof(NixDatabaseTick), new NixDatabaseTick(), due);
    }

    // Only when nobody waits: the next commit brings it along.
    private void TryNixDatabase()
    {
        if (!_nixDatabaseDue)
            return;
        _nixDatabaseDue = false;
        if (CommitTime.Obstacle(_state, Now) is not null)
        {
            Timers.StartSingleTimer(nameof(NixDatabaseTick), new NixDatabaseTick(), NixDatabaseAgain);
            return;
        }

        _phase = Phase.Preparing;
        var attempt = ++_attempt;
        var head = _state.Head!;
        var now = Now;
        Run(() => _local!.Backend.PrepareNixDatabaseAsync(head, now, _stopping.Token))
            .PipeTo(Self, success: r => new NixDatabasePrepared(attempt, r), failure: e => new NixDatabaseFailed(attempt, e));
    }
}
