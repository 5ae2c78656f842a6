using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>Publishes a path through a core in this process, without a gateway.</summary>
internal static class DirectPublish
{
    /// <returns>Digest of the bundle.</returns>
    public static async Task<string> RunAsync(IPublishingCore core, string fqrn, SyntheticPath path, DateTimeOffset now, CancellationToken ct)
    {
        (TransactionView view, string bundle) = await RunAsync(core, fqrn, [path], now, false, ct);
        Assert.Equal(TransactionStatus.Committed, view.Status);
        return bundle;
    }

    /// <summary>Publishes paths and tells how it was decided.</summary>
    public static async Task<TransactionView> PublishAsync(TestNode node, bool despiteWithdrawal, params SyntheticPath[] paths) =>
        (await RunAsync(node.Core, TestNode.Fqrn, paths, node.Now, despiteWithdrawal, TestContext.Current.CancellationToken)).View;

    /// <inheritdoc cref="PublishAsync(TestNode, bool, SyntheticPath[])"/>
    public static Task<TransactionView> PublishAsync(TestNode node, params SyntheticPath[] paths) => PublishAsync(node, false, paths);

    private static async Task<(TransactionView View, string Bundle)> RunAsync(
        IPublishingCore core, string fqrn, SyntheticPath[] paths, DateTimeOffset now, bool despiteWithdrawal, CancellationToken ct)
    {
        RepositoryStore store = core.Store(fqrn);
        TransactionId id = TransactionId.Create(now);
        await using (ObjectBatch uploads = store.Objects.BeginBatch())
        {
            foreach ((ObjectName name, byte[] stored) in paths.SelectMany(p => p.Objects))
                await uploads.AddAsync(name.Kind, stored, ct);
            await uploads.CompleteAsync(ct);
        }

        await using var staging = new TransactionStaging(store, id.Value);
        foreach (SyntheticPath path in paths)
            await staging.AddPathAsync(path.Upload, ct);
        SealedBundle bundle = await staging.SealAsync(new BundleHeader(fqrn, id.Value, ConflictPolicy.Keep, null, null) { DespiteWithdrawal = despiteWithdrawal }, ct);
        TransactionView view = await core.SealAsync(
            new SealTransaction(fqrn, id, TestNode.Digest(paths[0].Path.Value), bundle.Digest, bundle.Size, bundle.Paths, "b"), ct);
        if (view.Status == TransactionStatus.Committed)
            await core.WaitForAppliedAsync(fqrn, view.Revision, ct);
        return (view, bundle.Digest);
    }
}
