using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Tags;
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

    [Fact]
    public void Tags_take_effect_only_when_nothing_follows_and_the_revision_below_them_is_not_served_without_them() =>
        Gen.Int[0, 2].List[0, 40].Sample(kinds =>
        {
            var netting = new EventNetting();
            var netted = new List<NettedEvent>();
            for (int i = 0; i < kinds.Count; i++)
                netted.AddRange(netting.Add(i + 1, kinds[i] switch { 0 => Revision(i + 1), 1 => Tags(i + 1), _ => new LeaderStarted(1, "n", At) }));
            netted.AddRange(netting.End());

            Assert.Equal(Enumerable.Range(1, kinds.Count).Select(i => (long)i), netted.Select(n => n.SequenceNumber));
            NettedEvent[] states = [.. netted.Where(n => n.Event is not LeaderStarted)];
            Assert.All(states.SkipLast(1), n => Assert.NotEqual(EventEffect.Apply, n.Effect));
            Assert.All(states.TakeLast(1), n => Assert.Equal(EventEffect.Apply, n.Effect));
            NettedEvent[] revisions = [.. states.Where(n => n.Event is RevisionCommitted).Reverse()];
            Assert.All(revisions.Take(2).Where(n => n.SequenceNumber != states[^1].SequenceNumber), n => Assert.Equal(EventEffect.PassWithCatalogs, n.Effect));
            Assert.All(revisions.Skip(2), n => Assert.Equal(EventEffect.Pass, n.Effect));
        });

    private static TagSet Tags(int number)
    {
        RevisionHead head = Fake.Revision((ulong)number, At, null, []).Head;
        return new TagSet(new RepositoryTag("v", head.RootHash, head.Revision, At, 1, ""), new TagState(head, new byte[] { 1 }, [], []), At);
    }

    private static RevisionCommitted Revision(int number) => new(Fake.Revision((ulong)number, At, null, []), [], [], At);
}
