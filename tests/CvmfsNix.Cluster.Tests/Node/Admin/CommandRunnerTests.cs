using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration.Audit;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Admin;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Admin;

public sealed class CommandRunnerTests
{
    private readonly List<string> _done = [];
    private readonly FakeAudit _audit = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_change_is_written_down_before_it_is_made_and_again_with_its_outcome()
    {
        Assert.True(await RunAsync(Change()));
        Assert.Equal(["begun: cluster test {\u0022name\u0022:\u0022a\u0022} by anybody me", "done"], _audit.Entries);
        Assert.Equal(["after 1"], _done);
    }

    [Fact]
    public async Task A_change_that_cannot_be_written_down_is_not_made()
    {
        _audit.Broken = true;
        var refused = await Assert.ThrowsAsync<PublishingException>(() => RunAsync(Change()));
        Assert.Equal(PublishingCodes.AuditUnavailable, refused.Code);
        Assert.Empty(_done);
    }

    [Fact]
    public async Task A_change_that_fails_is_written_down_with_its_error()
    {
        CommandDefinition failing = Change() with { Run = (_, _, _) => throw new PublishingException(PublishingCodes.NoLeader, "no", "") };
        await Assert.ThrowsAsync<PublishingException>(() => RunAsync(failing));
        Assert.Equal("NoLeader", _audit.Entries[^1]);
    }

    [Fact]
    public async Task Looking_leaves_no_trace()
    {
        await RunAsync(Change() with { Scope = AdminScope.Read });
        Assert.Empty(_audit.Entries);
        Assert.Single(_done);
    }

    [Fact]
    public async Task What_cannot_be_taken_back_is_done_only_when_confirmed()
    {
        CommandDefinition destructive = Change() with { Destructive = true };
        var refused = await Assert.ThrowsAsync<NodeException>(() => RunAsync(destructive));
        Assert.Equal(NodeCodes.NotConfirmed, refused.Error.Code);
        Assert.Empty(_audit.Entries);
        Assert.Empty(_done);
        Assert.True(await RunAsync(destructive, confirmed: true));
    }

    [Theory]
    [InlineData(null, NodeCodes.Unauthorized)]
    [InlineData("Bearer something-else", NodeCodes.Unauthorized)]
    [InlineData("Bearer replica-token", NodeCodes.Forbidden)]
    [InlineData("Bearer admin-token", null)]
    public async Task A_node_with_tokens_asks_for_one(string? authorization, string? code)
    {
        AccessTokens tokens = AccessTokens.Of(["admin-token", "replica-token replica:m1"]);
        NodeException? refused = (NodeException?)await Record.ExceptionAsync(() => RunAsync(Change(), tokens: tokens, authorization: authorization));
        Assert.Equal(code, refused?.Error.Code);
        Assert.Equal(code is null ? 1 : 0, _done.Count);
    }

    private CommandDefinition Change() => new(
        "test", "Changes something",
        (_, _, _) =>
        {
            _done.Add($"after {_audit.Entries.Count}");
            return Task.FromResult(true);
        },
        new CommandArgument("name", "A name", "-n")) { Scope = AdminScope.Operate };

    private async Task<bool> RunAsync(CommandDefinition command, bool confirmed = false, AccessTokens? tokens = null, string? authorization = null)
    {
        Caller caller = tokens is null ? Caller.Anybody : authorization is null ? Caller.None : tokens.Find(Bearer.TokenOf(authorization)) ?? Caller.Unknown();
        await using ServiceProvider services = new ServiceCollection().AddSingleton<IAuditLog>(_audit).BuildServiceProvider();
        var runner = new CommandRunner(new ScopedAdminAccess(), services, new FakeCore(), TimeProvider.System, NullLogger<CommandRunner>.Instance);
        return await runner.RunAsync("cluster", command, ["-n", "a"], new CommandCaller(caller, "me", confirmed), new NoOutput(), Ct);
    }

    private sealed class NoOutput : ICommandOutput
    {
        public Task LineAsync(string text, JsonObject json) => Task.CompletedTask;

        public Task NoteAsync(string text) => Task.CompletedTask;
    }

    private sealed class FakeAudit : IAuditLog
    {
        public List<string> Entries { get; } = [];

        public bool Broken { get; set; }

        public Task<long> BeginAsync(AuditEntry entry, CancellationToken ct)
        {
            if (Broken)
                throw new PublishingException(PublishingCodes.AuditUnavailable, "no database", "audit");
            Entries.Add($"{entry.Outcome}: {entry.Command} {entry.Arguments} by {entry.Who}");
            return Task.FromResult((long)Entries.Count);
        }

        public Task EndAsync(long number, string outcome, CancellationToken ct)
        {
            Entries.Add(outcome);
            return Task.CompletedTask;
        }

        public Task<IReadOnlyList<AuditEntry>> AfterAsync(long number, int max, CancellationToken ct) => Task.FromResult<IReadOnlyList<AuditEntry>>([]);

        public Task<IReadOnlyList<AuditEntry>> LastAsync(int max, CancellationToken ct) => Task.FromResult<IReadOnlyList<AuditEntry>>([]);
    }
}
