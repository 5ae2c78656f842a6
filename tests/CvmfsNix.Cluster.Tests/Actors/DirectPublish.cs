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
        RepositoryStore store = core.Store(fqrn);
        TransactionId id = TransactionId.Create(now);
        await using (ObjectBatch uploads = store.Objects.BeginBatch())
        {
            foreach ((ObjectName name, byte[] stored) in path.Objects)
                await uploads.AddAsync(name.Kind, stored, ct);
            await uploads.CompleteAsync(ct);
        }

        await using var staging = new TransactionStaging(store, id.Value);
        await staging.AddPathAsync(path.Upload, ct);
        SealedBundle bundle = await staging.SealAsync(new BundleHeader(fqrn, id.Value, ConflictPolicy.Keep, null, null), ct);
        TransactionView view = await core.SealAsync(
            new SealTransaction(fqrn, id, TestNode.Digest(path.Path.Value), bundle.Digest, bundle.Size, bundle.Paths, "b"), ct);
        Assert.Equal(TransactionStatus.Committed, view.Status);
        await core.WaitForAppliedAsync(fqrn, view.Revision, ct);
        return bundle.Digest;
    }
}
