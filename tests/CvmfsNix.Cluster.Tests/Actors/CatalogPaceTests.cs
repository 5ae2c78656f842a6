using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>How soon commits follow each other when each stores much.</summary>
public sealed class CatalogPaceTests
{
    private const long Rate = 10 << 20;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public void What_comes_alone_waits_for_nothing_and_a_storm_gets_its_rate()
    {
        var clock = new SetClock();
        var pace = new CatalogPace(Rate, clock);
        // Eight seconds of the rate are there to be used at once.
        for (int i = 0; i < 8; i++)
        {
            Assert.Equal(TimeSpan.Zero, pace.Wait);
            pace.Stored(Rate);
        }

        Assert.Equal(TimeSpan.Zero, pace.Wait);
        pace.Stored(2 * Rate);
        Assert.Equal(TimeSpan.FromSeconds(2), pace.Wait);

        double waited = 0;
        for (int i = 0; i < 100; i++)
        {
            waited += pace.Wait.TotalSeconds;
            clock.Advance(pace.Wait);
            pace.Stored(Rate / 2);
        }

        Assert.InRange(waited, 51, 52);

        // However long nothing comes, no more is saved up than at the beginning.
        clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(TimeSpan.Zero, pace.Wait);
        pace.Stored(9 * Rate);
        Assert.Equal(TimeSpan.FromSeconds(1), pace.Wait);
    }

    [Fact]
    public void Without_a_rate_nothing_waits()
    {
        var pace = new CatalogPace(0, new SetClock());
        pace.Stored(long.MaxValue / 2);
        Assert.Equal(TimeSpan.Zero, pace.Wait);
    }

    [Fact]
    public async Task Publishes_that_come_while_a_large_catalog_is_paid_for_share_a_revision()
    {
        await using var node = new TestNode { CatalogBytesPerSecond = Rate };
        await node.StartAsync();
        await node.Core.CreateRepositoryAsync(new CreateRepository(TestNode.Fqrn), Ct);
        node.Stores.CatalogBytes = 12 * Rate;
        Assert.Equal(2UL, (await node.Core.SealAsync(TestNode.Seal("first"), Ct)).Revision);

        TransactionView[] storm = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => node.Core.SealAsync(TestNode.Seal($"storm{i}"), Ct)));
        Assert.All(storm, answer => Assert.Equal((TransactionStatus.Committed, 3UL), (answer.Status, answer.Revision)));
    }

    private sealed class SetClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan by) => _now += by.Ticks;

        public override long GetTimestamp() => _now;
    }
}
