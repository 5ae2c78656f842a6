using Xunit;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>Gateway, ledger, leader, writer and keeper together on one node.</summary>
public sealed class PublishingTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_new_repository_serves_its_first_revision()
    {
        await using var node = await TestNode.StartedAsync();
        var view = await node.Core.GetRepositoryAsync(TestNode.Fqrn, Ct);
        Assert.Equal(1UL, view.Revision);
        Assert.Equal(1UL, node.Stores[TestNode.Fqrn].ServedRevision);
        var again = await Assert.ThrowsAsync<PublishingException>(() => node.Core.CreateRepositoryAsync(new CreateRepository(TestNode.Fqrn), Ct));
        Assert.Equal(PublishingCodes.RepositoryExists, again.Code);
    }

    [Fact]
    public async Task A_sealed_transaction_becomes_a_revision_and_a_retry_gets_the_same_answer()
    {
        await using var node = await TestNode.StartedAsync();
        var seal = TestNode.Seal("a");
        Assert.IsType<OpenOutcome.Opened>(await node.Core.BeginAsync(TestNode.Fqrn, seal.Id, seal.Digest, true, Ct));
        var first = await node.Core.SealAsync(seal, Ct);
        Assert.Equal((TransactionStatus.Committed, 2UL), (first.Status, first.Revision));
        await node.Core.SealAsync(TestNode.Seal("b"), Ct);

        var retry = await node.Core.SealAsync(seal, Ct);
        Assert.Equivalent(first, retry);
        var known = Assert.IsType<OpenOutcome.Known>(await node.Core.BeginAsync(TestNode.Fqrn, seal.Id, seal.Digest, true, Ct));
        Assert.Equal(2UL, known.Transaction.Revision);
        Assert.Equal(3UL, (await node.Core.GetRepositoryAsync(TestNode.Fqrn, Ct)).Revision);
    }

    [Fact]
    public async Task An_id_used_for_another_request_is_refused()
    {
        await using var node = await TestNode.StartedAsync();
        var seal = TestNode.Seal("a");
        await node.Core.SealAsync(seal, Ct);
        var e = await Assert.ThrowsAsync<PublishingException>(() => node.Core.SealAsync(TestNode.Seal("b", seal.Id), Ct));
        Assert.Equal(PublishingCodes.TransactionIdReused, e.Code);
        e = await Assert.ThrowsAsync<PublishingException>(() => node.Core.BeginAsync(TestNode.Fqrn, seal.Id, TestNode.Digest("c"), false, Ct));
        Assert.Equal(PublishingCodes.TransactionIdReused, e.Code);
    }

    [Fact]
    public async Task Nothing_is_written_before_the_seal()
    {
        await using var node = await TestNode.StartedAsync();
        var seal = TestNode.Seal("a");
        await node.Core.BeginAsync(TestNode.Fqrn, seal.Id, seal.Digest, true, Ct);
        Assert.Empty(node.Rows("SELECT * FROM journal WHERE persistence_id LIKE 'ledger-%'"));
        Assert.Equal(TransactionStatus.Open, (await node.Core.GetTransactionAsync(TestNode.Fqrn, seal.Id, Ct)).Status);
        await node.Core.AbortAsync(TestNode.Fqrn, seal.Id, Ct);
        Assert.Empty(node.Rows("SELECT * FROM journal WHERE persistence_id LIKE 'ledger-%'"));
        var e = await Assert.ThrowsAsync<PublishingException>(() => node.Core.SealAsync(seal, Ct));
        Assert.Equal(PublishingCodes.TransactionAborted, e.Code);
    }

    [Fact]
    public async Task Journal_rows_carry_short_manifests_of_our_own()
    {
        await using var node = await TestNode.StartedAsync();
        await node.Core.SealAsync(TestNode.Seal("a"), Ct);
        Assert.Equal(["1|rc|1001", "2|ls|1001", "3|rr|1001"], node.Rows($"SELECT sequence_number, manifest, identifier FROM journal WHERE persistence_id = 'repository-{TestNode.Fqrn}' ORDER BY 1"));
        Assert.Equal(["ts", "td"], node.Rows("SELECT manifest FROM journal WHERE persistence_id LIKE 'ledger-%' ORDER BY sequence_number"));
    }

    [Theory]
    [InlineData("prepare")]
    [InlineData("adopt")]
    [InlineData("apply")]
    public async Task A_node_that_stops_in_the_middle_finishes_once_after_its_restart(string step)
    {
        await using var node = await TestNode.StartedAsync();
        var reached = new TaskCompletionSource();
        node.Stores.At = async (at, ct) =>
        {
            if (at != step)
                return;
            reached.TrySetResult();
            await Task.Delay(Timeout.Infinite, ct);
        };
        var seal = TestNode.Seal("a");
        using var gaveUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var lost = node.Core.SealAsync(seal, gaveUp.Token);
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => lost);
        await node.StopAsync();
        node.Stores.At = (_, _) => Task.CompletedTask;
        await node.StartAsync();

        var view = await node.Core.SealAsync(seal, Ct);
        Assert.Equal((TransactionStatus.Committed, 2UL, false), (view.Status, view.Revision, view.Unchanged));
        Assert.Single(node.Rows($"SELECT 1 FROM journal WHERE persistence_id = 'repository-{TestNode.Fqrn}' AND manifest = 'rr'"));
        Assert.Single(node.Rows("SELECT 1 FROM journal WHERE manifest = 'ts'"));
        Assert.Single(node.Rows("SELECT 1 FROM journal WHERE manifest = 'td'"));
        Assert.Equal(2UL, node.Stores[TestNode.Fqrn].ServedRevision);
    }

    [Fact]
    public async Task A_sealed_transaction_is_committed_after_a_restart_without_anyone_asking()
    {
        await using var node = await TestNode.StartedAsync();
        var reached = new TaskCompletionSource();
        node.Stores.At = async (at, ct) =>
        {
            if (at == "prepare")
            {
                reached.TrySetResult();
                await Task.Delay(Timeout.Infinite, ct);
            }
        };
        using var gaveUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var lost = node.Core.SealAsync(TestNode.Seal("a"), gaveUp.Token);
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => lost);
        await node.StopAsync();
        node.Stores.At = (_, _) => Task.CompletedTask;
        await node.StartAsync();
        await node.Core.WaitForAppliedAsync(TestNode.Fqrn, 2, Ct).WaitAsync(TimeSpan.FromSeconds(30), Ct);
    }

    [Fact]
    public async Task Decisions_survive_snapshots_and_restarts()
    {
        await using var node = await TestNode.StartedAsync();
        var seals = Enumerable.Range(0, 20).Select(i => TestNode.Seal($"p{i}", builder: $"b{i % 3}")).ToList();
        var first = await Task.WhenAll(seals.Select(s => node.Core.SealAsync(s, Ct)));
        await node.RestartAsync();
        var second = await Task.WhenAll(seals.Select(s => node.Core.SealAsync(s, Ct)));
        Assert.Equivalent(first, second);
        Assert.Equal(20, node.Stores[TestNode.Fqrn].Applied.Select(a => a.Event).OfType<RevisionCommitted>().Sum(e => e.Outcomes.Count));
        Assert.NotEmpty(node.Rows("SELECT 1 FROM snapshot WHERE manifest = 'rss'"));
    }

    [Fact]
    public async Task A_reference_that_another_queued_transaction_brings_is_waited_for()
    {
        await using var node = await TestNode.StartedAsync();
        var needs = node.Core.SealAsync(TestNode.Seal("a<b"), Ct);
        var brings = node.Core.SealAsync(TestNode.Seal("b"), Ct);
        Assert.Equal(TransactionStatus.Committed, (await brings).Status);
        Assert.Equal(TransactionStatus.Committed, (await needs).Status);
    }

    [Fact]
    public async Task A_reference_that_nobody_brings_rejects_the_transaction_for_good()
    {
        await using var node = await TestNode.StartedAsync();
        var seal = TestNode.Seal("a<nowhere");
        var view = await node.Core.SealAsync(seal, Ct);
        Assert.Equal((TransactionStatus.Rejected, "MissingReference"), (view.Status, view.Reason?.Code));
        await node.Core.SealAsync(TestNode.Seal("nowhere"), Ct);
        Assert.Equal(TransactionStatus.Rejected, (await node.Core.SealAsync(seal, Ct)).Status);
    }

    [Theory]
    [InlineData("!", "CannotCommit", "nothing can be made of")]
    [InlineData("?", "CommitNotValid", "self-counters")]
    public async Task A_transaction_that_cannot_be_prepared_is_rejected_and_holds_up_nobody(string content, string code, string says)
    {
        await using var node = await TestNode.StartedAsync();
        var bad = node.Core.SealAsync(TestNode.Seal(content), Ct);
        var good = await Task.WhenAll(node.Core.SealAsync(TestNode.Seal("a"), Ct), node.Core.SealAsync(TestNode.Seal("b"), Ct));
        Assert.All(good, o => Assert.Equal(TransactionStatus.Committed, o.Status));
        var refused = await bad;
        Assert.Equal((TransactionStatus.Rejected, code), (refused.Status, refused.Reason?.Code));
        Assert.Contains(says, refused.Reason!.Message);
    }

    [Fact]
    public async Task A_lost_append_answers_nobody_and_the_successor_goes_on_from_what_the_journal_holds()
    {
        await using var node = await TestNode.StartedAsync();
        var id = TransactionId.Create(DateTimeOffset.UtcNow);
        // The foreign event sits where the writer's next append goes: an earlier append of its own that was thought lost.
        node.Insert($"repository-{TestNode.Fqrn}", 3, "rd", ClusterSerializer.Bytes(new TransactionsDecided([], [], DateTimeOffset.UtcNow)));
        var view = await node.Core.SealAsync(TestNode.Seal("a", id), Ct);
        Assert.Equal((TransactionStatus.Committed, 2UL, false), (view.Status, view.Revision, view.Unchanged));
        Assert.Equal(["1|rc", "2|ls", "3|rd", "4|rr"], node.Rows($"SELECT sequence_number, manifest FROM journal WHERE persistence_id = 'repository-{TestNode.Fqrn}' ORDER BY 1"));
        Assert.Equal(4, node.Stores[TestNode.Fqrn].AppliedSequence);
    }

    [Fact]
    public async Task A_writer_that_finds_another_leader_in_its_journal_ends_its_leadership()
    {
        await using var node = await TestNode.StartedAsync();
        node.Insert($"repository-{TestNode.Fqrn}", 3, "ls", ClusterSerializer.Bytes(new LeaderStarted(99, "akka.tcp://cvmfsnix@elsewhere:1", DateTimeOffset.UtcNow)));
        using var gaveUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var seal = node.Core.SealAsync(TestNode.Seal("a"), gaveUp.Token);
        await node.Core.WhenTerminated.WaitAsync(TimeSpan.FromSeconds(30), Ct);
        Assert.False(seal.IsCompletedSuccessfully);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => seal);
        Assert.Empty(node.Rows("SELECT 1 FROM journal WHERE manifest = 'rr'"));
    }

    [Fact]
    public async Task A_journal_that_is_behind_what_its_store_served_is_not_written_to()
    {
        await using var node = await TestNode.StartedAsync();
        await node.StopAsync();
        node.Stores[TestNode.Fqrn].AppliedSequence = 7;
        var starting = node.StartAsync();
        await using var stop = new Stop(node);
        while (true)
        {
            Assert.False(starting.IsCompleted);
            string reason;
            try
            {
                reason = node.Core.NotReadyReason;
            }
            catch (NullReferenceException)
            {
                reason = "";
            }

            if (reason.Contains("JournalBehindStores", StringComparison.Ordinal))
                break;
            await Task.Delay(20, Ct);
        }

        Assert.Equal(["1|rc", "2|ls"], node.Rows($"SELECT sequence_number, manifest FROM journal WHERE persistence_id = 'repository-{TestNode.Fqrn}' ORDER BY 1"));
        await node.StopAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => starting);
    }

    [Fact]
    public async Task Status_names_the_member_that_leads()
    {
        await using var node = await TestNode.StartedAsync();
        var status = await node.Core.StatusAsync(Ct);
        var member = Assert.Single(status.Members);
        Assert.Equal(["core", "stratum0"], member.Roles);
        Assert.Equal((member.Address, 1UL, node.Core.Address), (status.Leader, status.Epoch, status.Node));
        Assert.Equal("Up", member.Status);
        await node.RestartAsync();
        Assert.Equal(2UL, (await node.Core.StatusAsync(Ct)).Epoch);
    }

    private sealed class Stop(TestNode node) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await node.StopAsync();
    }
}
