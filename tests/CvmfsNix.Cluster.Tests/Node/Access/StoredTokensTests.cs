using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Access;

public sealed class StoredTokensTests
{
    private readonly FakeTable _table = new();
    private readonly FrozenClock _clock = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_token_is_good_on_every_node_at_once_and_revoked_there_at_the_next_look()
    {
        using StoredTokens here = Node(), there = Node();
        Assert.Null(await there.FindAsync(TokenSecret.New(), Ct));
        TokenSecret token = Add("publish:a.example.org read");
        _clock.Advance(TimeSpan.FromSeconds(1));
        Caller caller = (await there.FindAsync(token, Ct))!;
        Assert.True(caller.Allows(new Need(NeedKind.Publish, "a.example.org")));
        Assert.False(caller.Allows(new Need(NeedKind.Operate)));
        Assert.True((await here.FindAsync(token, Ct))!.Allows(new Need(NeedKind.Read)));

        Assert.True(await _table.RevokeAsync(token.Id, _clock.GetUtcNow(), Ct));
        await there.TryReadAsync(Ct);
        Assert.True(there.HasEnded(token.Id));
        Assert.Equal(NodeCodes.Unauthorized, (await there.FindAsync(token, Ct))!.Refusal(new Need(NeedKind.Read))!.Code);
    }

    [Fact]
    public async Task A_token_with_another_secret_or_of_another_shape_is_not_known()
    {
        using StoredTokens tokens = Node();
        TokenSecret token = Add("admin");
        Assert.NotNull(await tokens.FindAsync(token, Ct));
        TokenSecret other = TokenSecret.New();
        Assert.Null(await tokens.FindAsync(TokenSecret.Parse($"cvn_{token.Id}_{other.Text[13..]}")!, Ct));
        Assert.Equal(token, TokenSecret.Parse(token.Text));
        Assert.DoesNotContain(token.Text, token.ToString(), StringComparison.Ordinal);
        Assert.All([token.Text[1..], token.Text + "0", token.Text.ToUpperInvariant(), token.Text[..^1] + "g", token.Text.Replace('_', '-'), ""], text => Assert.Null(TokenSecret.Parse(text)));
    }

    [Fact]
    public async Task A_token_ends_by_the_clock_without_being_read_again()
    {
        using StoredTokens tokens = Node();
        TokenSecret token = Add("read", _clock.GetUtcNow().AddMinutes(1));
        Assert.Null((await tokens.FindAsync(token, Ct))!.Problem);
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Contains("ended", (await tokens.FindAsync(token, Ct))!.Problem!.Message, StringComparison.Ordinal);
        Assert.True(tokens.HasEnded(token.Id));
    }

    [Fact]
    public async Task Without_the_database_what_is_known_holds_for_a_minute()
    {
        using StoredTokens tokens = Node();
        TokenSecret token = Add("read");
        Assert.Null((await tokens.FindAsync(token, Ct))!.Problem);
        _table.Broken = true;
        _clock.Advance(StoredTokens.GoodFor);
        Assert.Null((await tokens.FindAsync(token, Ct))!.Problem);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(PublishingCodes.TokensUnavailable, (await tokens.FindAsync(token, Ct))!.Problem!.Code);
        Assert.False(tokens.HasEnded(token.Id));
        _table.Broken = false;
        Assert.Null((await tokens.FindAsync(token, Ct))!.Problem);
    }

    [Fact]
    public async Task Tokens_that_do_not_exist_do_not_make_the_node_ask_the_database_for_each()
    {
        using StoredTokens tokens = Node();
        for (int i = 0; i < 100; i++)
            Assert.Null(await tokens.FindAsync(TokenSecret.New(), Ct));
        Assert.Equal(1, _table.Asked);
    }

    [Fact]
    public async Task What_goes_on_under_a_token_is_ended_with_it_and_nothing_else()
    {
        using StoredTokens tokens = Node();
        using var calls = new LiveCalls(tokens, _clock);
        TokenSecret revoked = Add("read"), expiring = Add("read", _clock.GetUtcNow().AddHours(1)), good = Add("read");
        var ended = new List<string>();
        foreach (TokenSecret token in (TokenSecret[])[revoked, expiring, good])
            calls.Watch((await tokens.FindAsync(token, Ct))!, () => ended.Add(token.Id));
        calls.Watch((await tokens.FindAsync(revoked, Ct))!, () => ended.Add("over before"))!.Dispose();
        Assert.Null(calls.Watch(Caller.Anybody, () => ended.Add("anybody")));
        calls.Sweep();
        Assert.Empty(ended);
        await _table.RevokeAsync(revoked.Id, _clock.GetUtcNow(), Ct);
        await tokens.TryReadAsync(Ct);
        calls.Sweep();
        calls.Sweep();
        Assert.Equal([revoked.Id], ended);
        _clock.Advance(TimeSpan.FromHours(1));
        calls.Sweep();
        Assert.Equal([revoked.Id, expiring.Id], ended);
    }

    private StoredTokens Node() => new(_table, _clock, NullLogger<StoredTokens>.Instance);

    private TokenSecret Add(string scopes, DateTimeOffset? expires = null)
    {
        TokenSecret secret = TokenSecret.New();
        _table.Tokens.Add(new StoredToken(secret.Id, secret.Digest, "test", scopes, _clock.GetUtcNow(), expires, null));
        return secret;
    }

    private sealed class FrozenClock : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan by) => _now += by;

        public override DateTimeOffset GetUtcNow() => _now;

        public override long GetTimestamp() => _now.Ticks;
    }

    private sealed class FakeTable : ITokenTable
    {
        public List<StoredToken> Tokens { get; } = [];

        public bool Broken { get; set; }

        public int Asked { get; private set; }

        public Task AddAsync(StoredToken token, CancellationToken ct)
        {
            Tokens.Add(token);
            return Task.CompletedTask;
        }

        public Task<IReadOnlyList<StoredToken>> ListAsync(DateTimeOffset endedAfter, CancellationToken ct)
        {
            Asked++;
            return Broken
                ? throw new PublishingException(PublishingCodes.TokensUnavailable, "no database", "tokens")
                : Task.FromResult<IReadOnlyList<StoredToken>>([.. Tokens]);
        }

        public Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken ct)
        {
            int index = Tokens.FindIndex(t => t.Id == id);
            if (index >= 0)
                Tokens[index] = Tokens[index] with { RevokedAt = at };
            return Task.FromResult(index >= 0);
        }
    }
}
