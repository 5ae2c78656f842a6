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
    }

    private static WaitingTransaction Waiting(CommitQueue.Queued queued, string state) => new(queued.Transaction, queued.ArrivedAt, queued.Tries, state);

    private void Renew()
    {
        if (_phase != Phase.Idle)
        {
            Sender.Tell(new Failed(PublishingCodes.Overloaded, _problem.Length > 0 ? _problem : "A commit is under way.", _definition.Repository.Value, "Try again."));
            return;
        }

        if (_local!.Backend.SignWhitelist(Now) is not { } fresh)
        {
            Sender.Tell(new Failed(
                PublishingCodes.KeysMissing, $"The master key of {_definition.Repository} is not on the node that leads, {_settings.Node}, and no whitelist that was signed with it elsewhere and is good.", _definition.Repository.Value,
                $"Sign one where the key is (cvmfsnix key whitelist sign) and put it into the key folder as {_definition.Repository}.whitelist; or bring the key there."));
            return;
        }

        var asker = Sender;
        _phase = Phase.Appending;
        PersistAsync(new WhitelistRenewed(fresh.Bytes, fresh.ExpiresAt, Now), e =>
        {
            Written(e);
            Announce();
            _phase = Phase.Idle;
            asker.Tell(new WhitelistIs(e.ExpiresAt, LastSequenceNr));
            TryPrepare();
        });
    }
}
