using CsCheck;
using CvmfsNix.Cluster.Model.Retention;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Retention;

public sealed class RevisionSetTests
{
    private static Gen<ulong[]> Revisions => Gen.ULong[0, 40].Array[0, 30];

    [Fact]
    public void It_holds_what_was_put_in_and_nothing_else_in_as_few_ranges_as_there_can_be() => Gen.Select(Revisions, Revisions).Sample((one, other) =>
    {
        RevisionSet set = RevisionSet.Of(one).Union(RevisionSet.Of(other));
        HashSet<ulong> expected = [.. one, .. other];
        for (ulong i = 0; i < 45; i++)
            Assert.Equal(expected.Contains(i), set.Contains(i));
        Assert.Equal(expected.Count, set.Count);
        Assert.Equal(RevisionSet.Of(expected), set);
        Assert.Equal(RevisionSet.Of(expected).GetHashCode(), set.GetHashCode());
        RevisionRange[] ranges = [.. set];
        Assert.Equal(expected.Count(r => r == 0 || !expected.Contains(r - 1)), ranges.Length);
        Assert.Equal(RevisionSet.Of(ranges), set);
    });

    [Fact]
    public void Ranges_that_end_before_they_begin_are_refused_and_the_largest_numbers_are_none_too_many()
    {
        Assert.Throws<ArgumentException>(() => RevisionSet.Of([new RevisionRange(2, 1)]));
        RevisionSet all = RevisionSet.Of([new RevisionRange(5, ulong.MaxValue), new RevisionRange(0, 4), new RevisionRange(ulong.MaxValue, ulong.MaxValue)]);
        Assert.Equal([new RevisionRange(0, ulong.MaxValue)], all);
        Assert.True(all.Contains(ulong.MaxValue));
        Assert.True(RevisionSet.Empty.IsEmpty);
    }
}
