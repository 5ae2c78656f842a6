using CvmfsNix.Cluster.Model.Repositories;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

public sealed class CommitTimeTests
{
    private static readonly DateTimeOffset Published = new(2026, 5, 1, 12, 30, 0, TimeSpan.Zero);

    private static RepositoryState State(TimeSpan whitelistLeft) =>
        RepositoryState.Empty with { Head = Actors.Fake.Revision(7, Published, null, []).Head, ToldAt = Published, WhitelistExpiresAt = Published + whitelistLeft };

    [Theory]
    [InlineData(0, false, false)]
    [InlineData(-4, false, false)]
    [InlineData(-5, true, false)]
    [InlineData(-3599, true, false)]
    [InlineData(-3600, true, true)]
    [InlineData(86_400, false, false)]
    public void A_clock_that_is_behind_is_an_alarm_after_seconds_and_a_refusal_after_an_hour(int seconds, bool alarm, bool refusal)
    {
        DateTimeOffset now = Published.AddSeconds(seconds);
        RepositoryState state = State(TimeSpan.FromDays(20));
        Assert.Equal(alarm, CommitTime.Warning(state, now) is not null);
        Assert.Equal(refusal, CommitTime.Obstacle(state, now)?.Code == CommitObstacle.ClockSkew);
    }

    [Theory]
    [InlineData(10, false, false)]
    [InlineData(6, true, false)]
    [InlineData(0, true, true)]
    [InlineData(-3, true, true)]
    public void A_whitelist_that_nobody_renews_is_a_warning_for_a_week_and_then_a_refusal(int daysLeft, bool warning, bool refusal)
    {
        RepositoryState state = State(TimeSpan.FromDays(daysLeft));
        Assert.Equal(warning, CommitTime.Warning(state, Published) is not null);
        Assert.Equal(refusal, CommitTime.Obstacle(state, Published)?.Code == CommitObstacle.WhitelistExpired);
    }

    [Fact]
    public void In_the_hour_it_expires_in_a_whitelist_is_expired_already_as_clients_see_it()
    {
        RepositoryState state = State(TimeSpan.FromMinutes(15));
        Assert.Null(CommitTime.Obstacle(state, new DateTimeOffset(2026, 5, 1, 11, 59, 59, TimeSpan.Zero)));
        Assert.Equal(CommitObstacle.WhitelistExpired, CommitTime.Obstacle(state, new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero))?.Code);
    }

    [Fact]
    public void Time_moves_on_with_what_clients_are_told_and_never_back()
    {
        RepositoryState state = State(TimeSpan.FromDays(20));
        DateTimeOffset later = Published.AddHours(3);
        Assert.Equal(later, state.Apply(new WhitelistRenewed(new byte[] { 1 }, later.AddDays(30), later)).ToldAt);
        Assert.Equal(Published, state.Apply(new WhitelistRenewed(new byte[] { 1 }, later.AddDays(30), Published.AddHours(-3))).ToldAt);
    }
}
