using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Transactions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Recovery;

/// <summary>A journal grows for ever; what a start reads of it and what actors hold does not.</summary>
public sealed class RetentionTests
{
    private const int SnapshotEvery = 20;
    private const int Days = 4;
    private const int PerDay = 60;
    private const int Together = 10;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_start_reads_and_a_ledger_holds_does_not_grow_with_the_transactions_there_ever_were()
    {
        var clock = new HandClock();
        await using var node = new RecoveryNode(RecoveryNode.Sqlite(), SnapshotEvery, clock);
        await node.StartAsync();
        await node.Core.CreateRepositoryAsync(new CreateRepository(RecoveryNode.Fqrn), Ct);
        for (int day = 0; day < Days; day++)
        {
            for (int i = 0; i < PerDay; i += Together)
                await Task.WhenAll(Enumerable.Range(i, Together).Select(n => node.PublishAsync($"d{day}n{n}", n % 2)));
            clock.Advance(TimeSpan.FromDays(1));
            await node.StopAsync();
            await node.StartAsync();
            await node.PublishAsync($"d{day}again", 0);
        }

        // All of them are in the journal, and a start reads the events after the newest snapshot.
        Assert.Equal([$"{(Days * PerDay) + Days}"], await node.RowsAsync("SELECT count(*) FROM journal WHERE manifest = 'ts'"));
        IReadOnlyList<string> unread = await node.RowsAsync("""
            SELECT j.persistence_id, max(j.sequence_number), coalesce((SELECT max(s.sequence_number) FROM snapshot s WHERE s.persistence_id = j.persistence_id), 0), count(*)
            FROM journal j WHERE j.persistence_id LIKE 'ledger-%' OR j.persistence_id LIKE 'repository-%' GROUP BY j.persistence_id
            """);
        foreach (string[] row in unread.Select(r => r.Split('|')))
        {
            string id = string.Join('|', row[..^3]);
            long head = long.Parse(row[^3]), snapshot = long.Parse(row[^2]);
            Assert.Equal(head, long.Parse(row[^1]));
            // One write may hold the events of all that came while the one before was under way.
            Assert.True(head - snapshot < SnapshotEvery + (2 * Together), $"{id}: {head - snapshot} events after the snapshot at {snapshot}");
        }

        // Two days are remembered, and the hour that a slower clock is given.
        LedgerState[] ledgers = await NewestAsync(node);
        long start = TimeProvider.System.GetTimestamp();
        while (ledgers.Any(l => l.Entries.Count > (PerDay / 2 * 3) + Days || l.ForgottenBefore == DateTimeOffset.UnixEpoch))
        {
            // A ledger forgets beside its work, a moment after its start.
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Patience, $"ledgers remember {string.Join(", ", ledgers.Select(l => l.Entries.Count))} transactions");
            await Task.Delay(50, Ct);
            ledgers = await NewestAsync(node);
        }

        Assert.Equal(2, ledgers.Length);
    }

    private static async Task<LedgerState[]> NewestAsync(RecoveryNode node) =>
    [
        .. (await node.RowsAsync("""
            SELECT snapshot FROM snapshot s
            WHERE manifest = 'tls' AND sequence_number = (SELECT max(sequence_number) FROM snapshot n WHERE n.persistence_id = s.persistence_id)
            """)).Select(Read),
    ];

    private static LedgerState Read(string hex) => (LedgerState)new ClusterSerializer((Akka.Actor.ExtendedActorSystem)null!).FromBinary(Convert.FromHexString(hex), "tls");

    private sealed class HandClock : TimeProvider
    {
        private TimeSpan _ahead;

        public void Advance(TimeSpan time) => _ahead += time;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead;
    }
}
