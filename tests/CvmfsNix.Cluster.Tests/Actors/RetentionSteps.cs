using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>What tests of retention and of going back do to a node, and wait for.</summary>
internal static class RetentionSteps
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Runs a removal to its end, until the newest revision is served.</summary>
    public static async Task RemovedAsync(TestNode node)
    {
        await node.Retention.RemoveAsync(TestNode.Fqrn, "me", Ct);
        await TestNode.UntilAsync(async () => !(await node.Retention.GetAsync(TestNode.Fqrn, Ct)).Removal.Running);
        await TestNode.UntilAsync(async () => (await node.Core.StatusAsync(Ct)).Repositories[0].Revision == node.Store.Served!.Revision);
    }

    /// <summary>Publishes these in one transaction, which has to be committed.</summary>
    public static async Task PublishAsync(TestNode node, params SyntheticPath[] paths)
    {
        TransactionView view = await DirectPublish.PublishAsync(node, paths);
        Assert.Equal((TransactionStatus.Committed, null), (view.Status, view.Reason?.Message));
    }
}
