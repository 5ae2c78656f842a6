using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Control;

public sealed class RetryPolicyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void What_will_not_pass_is_not_tried_again() =>
        Assert.Null(new RetryPolicy(new HandClock(), null, Patience, null).NextWait(new CliException("Rejected", "", "", "")));

    [Fact]
    public void Waits_grow_and_stay_bounded()
    {
        var policy = new RetryPolicy(new HandClock(), null, Patience, null);

        double[] waits = [.. Enumerable.Range(0, 20).Select(_ => policy.NextWait(Passing())!.Value.TotalMilliseconds)];

        Assert.InRange(waits[0], 75, 125);
        Assert.All(waits, w => Assert.InRange(w, 75, 3750));
        Assert.InRange(waits[^1], 2250, 3750);
    }

    [Fact]
    public void Nobody_comes_back_before_a_servers_advice_and_not_all_at_once()
    {
        double[] waits = [.. Enumerable.Range(0, 50).Select(_ => new RetryPolicy(new HandClock(), null, Patience, null).NextWait(Passing(retryAfterSeconds: 9))!.Value.TotalSeconds)];

        Assert.All(waits, w => Assert.InRange(w, 9, 13.5));
        Assert.True(waits.Distinct().Count() > 1);
    }

    [Fact]
    public void The_limit_ends_it()
    {
        var clock = new HandClock();
        var policy = new RetryPolicy(clock, TimeSpan.FromSeconds(10), Patience, null);
        Assert.NotNull(policy.NextWait(Passing()));

        clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Null(policy.NextWait(Passing()));
    }

    [Fact]
    public void Without_a_limit_patience_ends_it_and_a_success_renews_it()
    {
        var clock = new HandClock();
        var policy = new RetryPolicy(clock, null, Patience, null);
        clock.Advance(TimeSpan.FromSeconds(59.99));
        policy.Succeeded();
        clock.Advance(TimeSpan.FromSeconds(30));
        Assert.NotNull(policy.NextWait(Passing()));

        clock.Advance(TimeSpan.FromSeconds(30));

        Assert.Null(policy.NextWait(Passing()));
    }

    [Fact]
    public void Servers_that_never_answer_are_given_up_after_their_rounds()
    {
        var policy = new RetryPolicy(new HandClock(), null, Patience, unreachableAttempts: 3);

        Assert.NotNull(policy.NextWait(Passing(unreachable: true)));
        Assert.NotNull(policy.NextWait(Passing(unreachable: true)));
        Assert.Null(policy.NextWait(Passing(unreachable: true)));
    }

    private static CliException Passing(double? retryAfterSeconds = null, bool unreachable = false) => new("NoLeader", "", "", "")
    {
        Transient = true,
        Unreachable = unreachable,
        RetryAfter = retryAfterSeconds is { } s ? TimeSpan.FromSeconds(s) : null,
    };

    private sealed class HandClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
