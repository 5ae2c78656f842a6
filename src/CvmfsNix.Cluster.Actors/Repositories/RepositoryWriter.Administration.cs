using Akka.Actor;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Repositories;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What operators ask: what waits, and a whitelist signed now.</content>
internal sealed partial class RepositoryWriter
{
    private void TakeAdministration()
    {
        Command<GetQueue>(_ => Sender.Tell(new QueueIs(
            [.. _inFlight.Select(q => Waiting(q, "committing"))
                .Concat(_queue.Waiting.Select(q => Waiting(q.Queued, q.Deferred ? "deferred" : "waiting")))
                .OrderBy(w => w.ArrivedAt)
                .Take(ListMax)])));
        Command<RenewWhitelist>(_ => Renew());
        TakeKeys();
    }

    private Failed Busy() => new(PublishingCodes.Overloaded, _problem.Length > 0 ? _problem : "A commit is under way.", _definition.Repository.Value, "Try again.");

    private static WaitingTransaction Waiting(CommitQueue.Queued queued, string state) => new(queued.Transaction, queued.ArrivedAt, queued.Tries, state);

    private void Renew()
    {
        if (_phase != Phase.Idle)
        {
            Sender.Tell(Busy());
            return;
        }

        if (_local!.Backend.SignWhitelist(Now, KeyRotation.AlsoListed(_state, Now)) is { } fresh)
            Replace(fresh, e => new WhitelistIs(e.ExpiresAt, LastSequenceNr));
        else
            Sender.Tell(NoWhitelist());
    }

    private Failed NoWhitelist() => new(
        PublishingCodes.KeysMissing, $"The master key of {_definition.Repository} is not on the node that leads, {_settings.Node}, and no whitelist that was signed with it elsewhere and is good.", _definition.Repository.Value,
        $"Sign one where the key is (cvmfsnix key whitelist sign) and put it into the key folder as {_definition.Repository}.whitelist; or bring the key there.");

    private void Replace(FreshWhitelist fresh, Func<WhitelistRenewed, object> answer)
    {
        var asker = Sender;
        _phase = Phase.Appending;
        PersistAsync(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now), e =>
        {
            Written(e);
            Announce();
            _phase = Phase.Idle;
            asker.Tell(answer(e));
            TryPrepare();
        });
    }
}
