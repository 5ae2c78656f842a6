using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Model.Transactions;
using static Akka.Cluster.ClusterEvent;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>
/// A ledger that runs may be behind its own journal: one of the same name, on a node that was frozen and put out meanwhile, writes after the
/// thaw until it learns that. What is sealed there nobody would offer. By the time the node is a member again, or is removed for good, it has
/// stopped writing: then every ledger is told where its history ends.
/// </content>
internal sealed partial class RepositoryWriter
{
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(5);

    private sealed record LookAtLedgers;

    private sealed record LedgersEnd(IReadOnlyDictionary<string, long> Ends);

    private sealed record LedgersUnknown(Exception Cause);

    private bool _looking;
    private bool _lookAgain;

    private void WatchLedgers()
    {
        Command<CurrentClusterState>(_ => { });
        Command<MemberUp>(_ => Look());
        Command<MemberRemoved>(_ => Look());
        Command<IMemberEvent>(_ => { });
        Command<LookAtLedgers>(_ => Look());
        Command<LedgersEnd>(told =>
        {
            for (int bucket = 0; bucket < LedgerBucket.Count; bucket++)
            {
                if (told.Ends.TryGetValue(NameOf(bucket), out long end))
                    _settings.Ledgers.Tell(new JournalEnd(_definition.Repository, bucket, end));
            }

            Looked();
        });
        Command<LedgersUnknown>(unknown =>
        {
            _log.Debug("{0}: the ends of the ledgers' histories are not known: {1}", _definition.Repository, unknown.Cause.Message);
            Timers.StartSingleTimer(nameof(LookAgainAfter), new LookAtLedgers(), LookAgainAfter);
            Looked();
        });
    }

    private void StartWatchingLedgers()
    {
        Akka.Cluster.Cluster.Get(Context.System).Subscribe(Self, SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(MemberUp), typeof(MemberRemoved));
        Timers.StartPeriodicTimer(nameof(LookAtLedgers), new LookAtLedgers(), _settings.LedgersLookEvery);
        Look();
    }

    // What happens while one is looking may be too late for that look.
    private void Look()
    {
        _lookAgain = _looking;
        if (_looking)
            return;
        _looking = true;
        string[] names = [.. Enumerable.Range(0, LedgerBucket.Count).Select(NameOf)];
        _settings.Database.EndsAsync(names, _stopping.Token).PipeTo(Self, success: ends => new LedgersEnd(ends), failure: e => new LedgersUnknown(e));
    }

    private void Looked()
    {
        _looking = false;
        if (_lookAgain)
            Look();
    }

    private string NameOf(int bucket) => PersistenceIds.Ledger(LedgerBucket.EntityId(_definition.Repository, bucket));
}
