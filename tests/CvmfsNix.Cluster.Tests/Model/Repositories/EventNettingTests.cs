using CsCheck;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Tests.Actors;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

public sealed class EventNettingTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void Of_several_revisions_the_newest_takes_effect_the_one_before_keeps_its_catalogs_and_the_order_stays()
    {
        Gen.Bool.List[0, 40].Sample(kinds =>
        {
            var netting = new EventNetting();
            var netted = new List<NettedEvent>();
            for (int i = 0; i < kinds.Count; i++)
                netted.AddRange(netting.Add(i + 1, kinds[i] ? Revision(i + 1) : new LeaderStarted(1, "n", At)));
            netted.AddRange(netting.End());

            Assert.Equal(Enumerable.Range(1, kinds.Count).Select(i => (long)i), netted.Select(n => n.SequenceNumber));
            Assert.All(netted.Where(n => n.Event is LeaderStarted), n => Assert.Equal(EventEffect.Apply, n.Effect));
            EventEffect[] revisions = [.. netted.Where(n => n.Event is RevisionCommitted).Select(n => n.Effect).Reverse()];
            EventEffect[] expected = [EventEffect.Apply, EventEffect.PassWithCatalogs, .. Enumerable.Repeat(EventEffect.Pass, Math.Max(0, revisions.Length - 2))];
            Assert.Equal(expected.Take(revisions.Length), revisions);
            Assert.Empty(netting.End());
        });
    }

    [Fact]
    public void At_most_two_revisions_are_held_back()
    {
        var netting = new EventNetting();
        Assert.Empty(netting.Add(1, Revision(1)));
        Assert.Empty(netting.Add(2, Revision(2)));
        Assert.Equal([1L], netting.Add(3, Revision(3)).Select(n => n.SequenceNumber));
    }

    private static RevisionCommitted Revision(int number) => new(Fake.Revision((ulong)number, At, null, []), [], [], At);
}
