using CsCheck;
using CvmfsNix.Cluster.Actors.Forming;
using CvmfsNix.Cluster.Actors.Journal;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Forming;

public sealed class FormingRuleTests
{
    private const string Self = "akka.tcp://cvmfsnix@10.0.0.1:8110";
    private static readonly string[] Names = [Self, "a", "b", "c"];
    private static readonly FormingTimes Times = FormingTimes.Default;

    [Fact]
    public void Where_nobody_is_a_member_the_cluster_is_founded_at_once()
    {
        Assert.IsType<FormingStep.Found>(Next(TimeSpan.Zero));
        Assert.IsType<FormingStep.Found>(Next(TimeSpan.Zero, new MemberRow(Self, TimeSpan.Zero)));
    }

    [Fact]
    public void While_a_member_lives_a_node_waits_however_long_it_takes()
    {
        var join = Assert.IsType<FormingStep.Join>(Next(TimeSpan.FromDays(1), new MemberRow("b", TimeSpan.FromDays(1)), new MemberRow("a", Times.AliveWithin)));
        Assert.Equal(["a", "b"], join.Members);
        Assert.Contains("lives on a;", join.Why);
    }

    [Fact]
    public void Silent_members_are_given_up_only_after_the_table_was_watched()
    {
        var silent = new MemberRow("a", Times.AliveWithin + TimeSpan.FromTicks(1));
        Assert.IsType<FormingStep.Join>(Next(Times.WatchFor - TimeSpan.FromTicks(1), silent));
        Assert.IsType<FormingStep.Found>(Next(Times.WatchFor, silent));
    }

    [Fact]
    public void A_cluster_is_never_founded_beside_a_living_member_and_never_joined_by_oneself() =>
        Gen.Select(Gen.Select(Gen.Int[0, 3], Gen.Int[0, 20]).Array[0, 5], Gen.Int[0, 20]).Sample((rows, watched) =>
        {
            MemberRow[] members = [.. rows.Select(r => new MemberRow(Names[r.Item1], TimeSpan.FromSeconds(r.Item2)))];
            switch (Next(TimeSpan.FromSeconds(watched), members))
            {
                case FormingStep.Found:
                    Assert.DoesNotContain(members, m => m.Address != Self && m.SilentFor <= Times.AliveWithin);
                    break;
                case FormingStep.Join join:
                    Assert.NotEmpty(join.Members);
                    Assert.DoesNotContain(Self, join.Members);
                    break;
            }
        });

    private static FormingStep Next(TimeSpan watched, params MemberRow[] members) =>
        FormingRule.Next(new ClusterRecord(1, "a", members, DateTimeOffset.UnixEpoch), Self, watched, Times);
}
