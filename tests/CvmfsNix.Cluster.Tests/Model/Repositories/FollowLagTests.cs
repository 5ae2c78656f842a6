using CvmfsNix.Cluster.Model.Repositories;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

public class FollowLagTests
{
    private readonly HandClock _clock = new();
    private readonly FollowLag _lag = new();

    [Fact]
    public void A_store_that_is_always_a_little_behind_has_no_lag()
    {
        for (int head = 10; head < 100; head++)
        {
            Assert.InRange(_lag.Observe(head, head - 3, _clock), TimeSpan.Zero, TimeSpan.FromSeconds(3));
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }

    [Fact]
    public void A_store_that_stands_still_lags_from_the_event_it_does_not_reach_until_it_reaches_it()
    {
        Assert.Equal(TimeSpan.Zero, _lag.Observe(10, 10, _clock));
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(TimeSpan.Zero, _lag.Observe(11, 10, _clock));
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(TimeSpan.FromSeconds(5), _lag.Observe(20, 10, _clock));
        _clock.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.FromSeconds(12), _lag.Observe(30, 10, _clock));
        Assert.Equal(TimeSpan.Zero, _lag.Observe(30, 30, _clock));
    }

    private sealed class HandClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan by) => _ticks += by.Ticks;
    }
}
