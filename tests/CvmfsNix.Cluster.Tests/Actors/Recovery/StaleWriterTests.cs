using System.Runtime.Versioning;
using Akka.Actor;
using Akka.Configuration;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Tests.Actors.Journal;
using Xunit;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Tests.Actors.Recovery;

/// <summary>
/// Writers of another process that recovered once, at every number there was, and then heard nothing more. Snapshots were made since, and nothing
/// was deleted: none of them can take a number that is taken.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class StaleWriterTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private const int Ages = 10;
    private const int SnapshotEvery = 3;
    private const int Bucket = 5;
    private const string Writer = $"repository-{RecoveryNode.Fqrn}";
    private static readonly string Ledger = $"ledger-{RecoveryNode.Fqrn}|{Bucket:00}";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_stale_writer_of_any_age_takes_a_number_that_is_taken(bool server)
    {
        JournalOptions journal = server
            ? new JournalOptions.PostgreSql(postgres.Server.ConnectionString(await postgres.NewDatabaseAsync()), Init: true)
            : RecoveryNode.Sqlite();
        await using var node = new RecoveryNode(journal, SnapshotEvery);
        await node.StartAsync();
        await node.Core.CreateRepositoryAsync(new CreateRepository(RecoveryNode.Fqrn), Ct);
        await node.PublishAsync("first", Bucket);
        using ActorSystem elsewhere = ActorSystem.Create("elsewhere", Elsewhere(node));

        // Each knows the journal as it was when it recovered: from the rows, later from a snapshot and the rows after it.
        var stale = new List<(IActorRef Actor, long At, Task<string> Outcome, object Event)>();
        for (int age = 0; age < Ages; age++)
        {
            stale.Add(await StaleAsync(elsewhere, Writer, JournalPlugins.Writer, new TransactionsDecided([], [], DateTimeOffset.UtcNow)));
            stale.Add(await StaleAsync(elsewhere, Ledger, JournalPlugins.Shared, new TransactionsForgotten(DateTimeOffset.UtcNow)));
            await node.PublishAsync($"p{age}", Bucket);
        }

        const string Everything = "SELECT persistence_id, sequence_number, manifest, message, writer_uuid FROM journal ORDER BY persistence_id, sequence_number";
        IReadOnlyList<string> before = await node.RowsAsync(Everything);
        foreach (string id in (string[])[Writer, Ledger])
        {
            // There is a snapshot behind most of them, and all rows are there still.
            long snapshot = long.Parse((await node.RowsAsync($"SELECT max(sequence_number) FROM snapshot WHERE persistence_id = '{id}'")).Single());
            Assert.True(snapshot > stale.Min(s => s.At), $"{id} has no snapshot beyond {stale.Min(s => s.At)}");
            string[] counts = (await node.RowsAsync($"SELECT min(sequence_number), count(*), max(sequence_number) FROM journal WHERE persistence_id = '{id}'")).Single().Split('|');
            Assert.Equal(("1", counts[2]), (counts[0], counts[1]));
        }

        foreach ((IActorRef actor, long at, Task<string> outcome, object @event) in stale)
        {
            actor.Tell(@event);
            Assert.Matches("(?i)unique|23505|duplicate", await outcome.WaitAsync(TimeSpan.FromMinutes(1), Ct));
            Assert.Equal(before, await node.RowsAsync(Everything));
            Assert.True(at > 0);
        }

        // Who is not stale goes on.
        await node.PublishAsync("last", Bucket);
        Assert.Equal(before.Count + 3, (await node.RowsAsync(Everything)).Count);
        await elsewhere.Terminate();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_another_process_wrote_to_a_running_ledgers_history_is_part_of_it(bool server)
    {
        JournalOptions journal = server
            ? new JournalOptions.PostgreSql(postgres.Server.ConnectionString(await postgres.NewDatabaseAsync()), Init: true)
            : RecoveryNode.Sqlite();
        await using var node = new RecoveryNode(journal, SnapshotEvery);
        await node.StartAsync();
        await node.Core.CreateRepositoryAsync(new CreateRepository(RecoveryNode.Fqrn), Ct);
        await node.PublishAsync("first", Bucket);

        // As a ledger on a thawed node does: its builder is told nothing any more, and comes back with the same id.
        byte[] id = TransactionId.Create(DateTimeOffset.UtcNow).Value.ToByteArray(bigEndian: true);
        id[15] = Bucket;
        var transaction = new SealedTransaction(TransactionId.From(new Guid(id, bigEndian: true)), TestNode.Digest("late"), "late", 1, 1, "b");
        using ActorSystem elsewhere = ActorSystem.Create("elsewhere", Elsewhere(node));
        (IActorRef actor, _, Task<string> outcome, object seal) = await StaleAsync(elsewhere, Ledger, JournalPlugins.Shared, new TransactionSealed(transaction, DateTimeOffset.UtcNow));
        actor.Tell(seal);
        Assert.Equal("it was written", await outcome.WaitAsync(TimeSpan.FromMinutes(1), Ct));

        // Nobody asks for it, and nobody writes to that ledger.
        string decided = $"SELECT count(*) FROM journal WHERE persistence_id = '{Ledger}'";
        for (long start = Environment.TickCount64; (await node.RowsAsync(decided)).Single() != "4"; await Task.Yield())
            Assert.True(Environment.TickCount64 - start < 60_000, "the late transaction is not decided after a minute");
        TransactionView late = await node.Core.GetTransactionAsync(RecoveryNode.Fqrn, transaction.Id, Ct);
        Assert.Equal((TransactionStatus.Committed, 3UL), (late.Status, late.Revision));
        await elsewhere.Terminate();
    }

    private static async Task<(IActorRef Actor, long At, Task<string> Outcome, object Event)> StaleAsync(ActorSystem system, string id, string plugin, object @event)
    {
        var recovered = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var outcome = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        IActorRef actor = system.ActorOf(Props.Create(() => new StaleWriter(id, plugin, recovered, outcome)));
        return (actor, await recovered.Task.WaitAsync(TimeSpan.FromMinutes(1), Ct), outcome.Task, @event);
    }

    private static Config Elsewhere(RecoveryNode node) => ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = OFF
          stdout-loglevel = OFF
          actor {
            serializers.cvmfsnix = "{{typeof(ClusterSerializer).FullName}}, {{typeof(ClusterSerializer).Assembly.GetName().Name}}"
            serialization-bindings {
              {{string.Join('\n', ClusterSerializer.Types.Select(t => $"\"{t.FullName}, {t.Assembly.GetName().Name}\" = cvmfsnix"))}}
            }
          }
        }
        """).WithFallback(ClusterConfiguration.Build(node.Options, node.Database, 0));

    private sealed class StaleWriter : ReceivePersistentActor
    {
        private readonly TaskCompletionSource<string> _outcome;

        public StaleWriter(string id, string plugin, TaskCompletionSource<long> recovered, TaskCompletionSource<string> outcome)
        {
            _outcome = outcome;
            PersistenceId = id;
            JournalPluginId = plugin;
            Recover<RecoveryCompleted>(_ => recovered.TrySetResult(LastSequenceNr));
            Recover<object>(_ => { });
            Command<object>(e => Persist(e, _ => outcome.TrySetResult("it was written")));
        }

        public override string PersistenceId { get; }

        protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) => _outcome.TrySetResult(cause.ToString());

        protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr) => _outcome.TrySetResult($"rejected: {cause}");
    }
}
