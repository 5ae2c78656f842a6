using System.Threading.Channels;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Transactions;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using Xunit;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Tests.Actors.Transactions;

/// <summary>One ledger over a journal in memory, with the test as the leader.</summary>
public sealed class TransactionLedgerTests
{
    private static readonly RepositoryId Repository = RepositoryId.Parse("test.example.org");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_busy_writer_put_off_is_offered_the_moment_it_asks()
    {
        using var system = ActorSystem.Create("ledger", "akka.loglevel = WARNING");
        var offers = Channel.CreateUnbounded<Enqueue>();
        IActorRef leader = system.ActorOf(Props.Create(() => new Leader(offers.Writer)));
        // No round of its own within the test: only the question can bring the second offer.
        var settings = new LedgerSettings(new LedgerLimits(TimeSpan.FromDays(7), TimeSpan.FromHours(1)), TimeSpan.FromHours(1), 200, leader, TimeProvider.System);
        var transaction = new SealedTransaction(TransactionId.Create(DateTimeOffset.UtcNow), new RequestDigest(new byte[RequestDigest.Size]), new string('a', 64), 1, 1, "builder");
        int bucket = LedgerBucket.Of(transaction.Id);
        string entity = LedgerBucket.EntityId(Repository, bucket);
        IActorRef ledger = system.ActorOf(Props.Create(() => new TransactionLedger(entity, settings)));
        ledger.Tell(new Seal(Repository, transaction), ActorRefs.NoSender);
        Assert.Equal(transaction, Assert.Single((await offers.Reader.ReadAsync(Ct)).Transactions));

        ledger.Tell(new WriterBusy(Repository, bucket, TimeSpan.FromHours(1)), ActorRefs.NoSender);
        ledger.Tell(new OfferSealed(Repository, bucket), ActorRefs.NoSender);
        Assert.Equal(transaction, Assert.Single((await offers.Reader.ReadAsync(Ct)).Transactions));
        await system.Terminate();
    }

    [Fact]
    public async Task A_ledger_that_is_behind_its_journal_ends_to_be_read_again_and_no_other_does()
    {
        using var system = ActorSystem.Create("ledger", "akka.loglevel = ERROR");
        var offers = Channel.CreateUnbounded<Enqueue>();
        IActorRef leader = system.ActorOf(Props.Create(() => new Leader(offers.Writer)));
        var settings = new LedgerSettings(new LedgerLimits(TimeSpan.FromDays(7), TimeSpan.FromHours(1)), TimeSpan.FromHours(1), 200, leader, TimeProvider.System);
        var transaction = new SealedTransaction(TransactionId.Create(DateTimeOffset.UtcNow), new RequestDigest(new byte[RequestDigest.Size]), new string('a', 64), 1, 1, "builder");
        int bucket = LedgerBucket.Of(transaction.Id);
        string entity = LedgerBucket.EntityId(Repository, bucket);
        foreach (ILedgerMessage word in (ILedgerMessage[])[new JournalEnd(Repository, bucket, 2), new AlreadySettled(Repository, transaction.Id)])
        {
            IActorRef ledger = system.ActorOf(Props.Create(() => new TransactionLedger(entity, settings)));
            if (word is JournalEnd)
                ledger.Tell(new Seal(Repository, transaction), ActorRefs.NoSender);
            await offers.Reader.ReadAsync(Ct);

            // What it knows itself, and what was on its way, is no news.
            ledger.Tell(new JournalEnd(Repository, bucket, 1), ActorRefs.NoSender);
            ledger.Tell(new AlreadySettled(Repository, TransactionId.Create(DateTimeOffset.UtcNow)), ActorRefs.NoSender);
            Assert.IsType<Waiting>(await ledger.Ask<IReply>(new GetTransaction(Repository, transaction.Id), Ct));

            var ended = new TaskCompletionSource();
            system.ActorOf(Props.Create(() => new Watcher(ledger, ended)));
            ledger.Tell(word, ActorRefs.NoSender);
            await ended.Task.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        }

        await system.Terminate();
    }

    private sealed class Watcher : ReceiveActor
    {
        public Watcher(IActorRef watched, TaskCompletionSource ended)
        {
            Context.Watch(watched);
            Receive<Terminated>(_ => ended.TrySetResult());
        }
    }

    private sealed class Leader : ReceiveActor
    {
        public Leader(ChannelWriter<Enqueue> offers) => Receive<Enqueue>(offer => offers.TryWrite(offer));
    }
}
