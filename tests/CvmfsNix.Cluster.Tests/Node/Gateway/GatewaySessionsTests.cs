using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Gateway;

public sealed class GatewaySessionsTests
{
    private const string Repository = FakeCore.Repository;
    private readonly FakeGate _gate = new();
    private readonly HandClock _clock = new();

    [Fact]
    public async Task A_session_is_found_again_until_it_was_silent_for_too_long()
    {
        await using GatewaySessions sessions = Sessions();
        TransactionId id = NewId();
        await (await sessions.OpenAsync(Repository, id, default)).DisposeAsync();

        _clock.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(0, await sessions.ExpireAsync());
        await sessions.Get(Repository, id).DisposeAsync();
        _clock.Advance(TimeSpan.FromMinutes(60));
        Assert.Equal(1, await sessions.ExpireAsync());

        Assert.Equal(NodeCodes.TransactionNotOpen, Assert.Throws<NodeException>(() => sessions.Get(Repository, id)).Error.Code);
        Assert.True(Assert.Single(_gate.Stagings).Disposed);
    }

    [Fact]
    public async Task A_session_in_use_does_not_expire()
    {
        await using GatewaySessions sessions = Sessions();
        await using SessionUse use = await sessions.OpenAsync(Repository, NewId(), default);
        _clock.Advance(TimeSpan.FromHours(5));
        Assert.Equal(0, await sessions.ExpireAsync());
    }

    [Fact]
    public async Task What_a_closed_session_staged_goes_with_its_last_user()
    {
        await using GatewaySessions sessions = Sessions();
        TransactionId id = NewId();
        SessionUse use = await sessions.OpenAsync(Repository, id, default);
        await sessions.CloseAsync(Repository, id);
        Assert.False(_gate.Stagings.Single().Disposed);
        await use.DisposeAsync();
        Assert.True(_gate.Stagings.Single().Disposed);
    }

    [Fact]
    public async Task At_the_bound_the_longest_silent_session_makes_room_and_busy_ones_do_not()
    {
        await using GatewaySessions sessions = Sessions(max: 2);
        TransactionId oldest = NewId();
        await (await sessions.OpenAsync(Repository, oldest, default)).DisposeAsync();
        _clock.Advance(TimeSpan.FromMinutes(2));
        await using SessionUse busy = await sessions.OpenAsync(Repository, NewId(), default);

        await using SessionUse third = await sessions.OpenAsync(Repository, NewId(), default);
        Assert.Null(sessions.Find(Repository, oldest));

        NodeException e = await Assert.ThrowsAsync<NodeException>(() => sessions.OpenAsync(Repository, NewId(), default));
        Assert.Equal(NodeCodes.Overloaded, e.Error.Code);
        Assert.NotNull(e.Error.RetryAfter);
    }

    private GatewaySessions Sessions(int max = 10) => new(_gate, new GatewayLimits { TransactionsMax = max }, _clock);

    private static TransactionId NewId() => TransactionId.Create(DateTimeOffset.UtcNow);

    private sealed class HandClock : TimeProvider
    {
        private DateTimeOffset _now = DateTimeOffset.UnixEpoch;

        public void Advance(TimeSpan by) => _now += by;

        public override DateTimeOffset GetUtcNow() => _now;
    }
}
