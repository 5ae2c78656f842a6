using CsCheck;
using CvmfsNix.Cluster.Actors.Forming;
using CvmfsNix.Cluster.Actors.Journal;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Forming;

public sealed class SplitWatchTests
{
    private static readonly FormingTimes Times = FormingTimes.Default;
    private static readonly string[] Names = ["a", "b", "c", "d", "e"];

    [Fact]
    public void The_one_that_woke_up_alone_joins_the_two_that_put_it_out_and_they_stay()
    {
        ClusterRecord record = Living("a", "b", "c");
        Assert.Null(Lasting("b", record, "b", "c"));
        Assert.Null(Lasting("c", record, "b", "c"));
        string? why = Lasting("a", record, "a");
        Assert.Contains("b, c are living members", why, StringComparison.Ordinal);
    }

    [Fact]
    public void What_lasts_a_moment_or_was_never_seen_again_is_no_split()
    {
        var watch = new SplitWatch("a", Times);
        ClusterRecord apart = Living("a", "b", "c");
        HashSet<string> alone = ["a"];
        Assert.Null(watch.Look(apart, alone, TimeSpan.Zero));
        Assert.Null(watch.Look(apart, alone, Times.AliveWithin - TimeSpan.FromTicks(1)));
        // Together for a moment, and the time begins again.
        Assert.Null(watch.Look(apart, new HashSet<string> { "a", "b", "c" }, Times.AliveWithin));
        Assert.Null(watch.Look(apart, alone, Times.AliveWithin + TimeSpan.FromSeconds(1)));
        Assert.NotNull(watch.Look(apart, alone, (2 * Times.AliveWithin) + TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void What_was_seen_before_the_database_was_away_does_not_count()
    {
        var watch = new SplitWatch("a", Times);
        HashSet<string> alone = ["a"];
        Assert.Null(watch.Look(Living("a", "b", "c"), alone, TimeSpan.Zero));
        watch.Forget();
        Assert.Null(watch.Look(Living("a", "b", "c"), alone, TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void Members_that_are_silent_are_nobody_to_join()
    {
        var silent = new ClusterRecord(1, "a", [new MemberRow("a", TimeSpan.Zero), new MemberRow("b", Times.BeatEvery * 4), new MemberRow("c", TimeSpan.FromDays(1))], DateTimeOffset.UnixEpoch);
        Assert.Null(Lasting("a", silent, "a"));
    }

    [Fact]
    public void Of_two_parts_exactly_one_joins_the_other() =>
        Gen.Select(Gen.Int[2, 5], Gen.Int[1, 30]).Sample((count, mask) =>
        {
            string[] all = Names[..count];
            string[] left = [.. all.Where((_, i) => (mask & (1 << i)) != 0)], right = [.. all.Except(left)];
            if (left.Length == 0 || right.Length == 0)
                return;
            ClusterRecord record = Living(all);
            bool[] leftGoes = [.. left.Select(n => Lasting(n, record, left) is not null)], rightGoes = [.. right.Select(n => Lasting(n, record, right) is not null)];
            Assert.Single(leftGoes.Distinct());
            Assert.Single(rightGoes.Distinct());
            Assert.NotEqual(leftGoes[0], rightGoes[0]);
            Assert.Equal(left.Length < right.Length || (left.Length == right.Length && !left.Contains("a")), leftGoes[0]);
        });

    [Fact]
    public void Where_all_see_all_nobody_goes_whoever_else_is_unreachable() =>
        Assert.All(Names, n => Assert.Null(Lasting(n, Living(Names), Names)));

    private static string? Lasting(string self, ClusterRecord record, params string[] members)
    {
        var watch = new SplitWatch(self, Times);
        HashSet<string> view = [.. members];
        watch.Look(record, view, TimeSpan.Zero);
        return watch.Look(record, view, Times.AliveWithin);
    }

    private static ClusterRecord Living(params string[] members) => new(1, "a", [.. members.Select(m => new MemberRow(m, TimeSpan.Zero))], DateTimeOffset.UnixEpoch);
}
