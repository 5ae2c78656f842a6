using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

public sealed class LostBundleTests
{
    [Fact]
    public async Task A_sealed_transaction_whose_bundle_is_gone_waits_alone()
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        var clock = new HandClock();
        await using var node = await TestNode.StartedAsync(clock);
        TransactionId lost = TransactionId.Create(clock.GetUtcNow());
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task never = node.Core.SealAsync(
            new SealTransaction(TestNode.Fqrn, lost, TestNode.Digest("lost"), string.Concat(Enumerable.Repeat("5a", 32)), 100, 1, "b"), waiting.Token);
        while (await StatusAsync(node, lost, ct) != TransactionStatus.Sealed)
            await Task.Delay(10, ct);

        // Both before and after the writer has met it.
        foreach (string name in (string[])["a", "b", "c"])
            await DirectPublish.RunAsync(node.Core, TestNode.Fqrn, SyntheticPath.Package(name), clock.GetUtcNow(), ct);

        Assert.Equal(TransactionStatus.Sealed, await StatusAsync(node, lost, ct));
        Assert.Contains("is not in this node's store", (await node.Core.StatusAsync(ct)).Repositories.Single().Problem, StringComparison.Ordinal);
        await waiting.CancelAsync();
        await never.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private static async Task<TransactionStatus?> StatusAsync(TestNode node, TransactionId id, CancellationToken ct)
    {
        try
        {
            return (await node.Core.GetTransactionAsync(TestNode.Fqrn, id, ct)).Status;
        }
        catch (PublishingException)
        {
            return null;
        }
    }
}
