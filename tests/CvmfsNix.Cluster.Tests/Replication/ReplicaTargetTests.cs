using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Transfer;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Replication;

public sealed class ReplicaTargetTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_object_that_was_found_for_an_earlier_revision_may_be_collected()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Ct);
        var target = new ReplicaTarget(repository.Store);
        ObjectName[] objects = await AddAsync(repository, "one", "two");
        Assert.True(target.Contains(StoreItem.Of(objects[0])));
        await target.ConfirmFoundAsync(Ct);
        ((DirectoryObjectStore)repository.Store.Objects).Delete(objects[0]);
        Assert.True(target.Contains(StoreItem.Of(objects[1])));
        await target.ConfirmFoundAsync(Ct);
    }

    [Fact]
    public async Task An_object_that_goes_while_a_revision_is_completed_is_an_error_once_and_then_called_missing()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Ct);
        var target = new ReplicaTarget(repository.Store);
        ObjectName gone = (await AddAsync(repository, "one"))[0];
        Assert.True(target.Contains(StoreItem.Of(gone)));
        ((DirectoryObjectStore)repository.Store.Objects).Delete(gone);
        await Assert.ThrowsAsync<ReplicationException>(() => target.ConfirmFoundAsync(Ct));
        Assert.False(target.Contains(StoreItem.Of(gone)));
        await target.ConfirmFoundAsync(Ct);
    }

    private static async Task<ObjectName[]> AddAsync(TestRepository repository, params string[] contents)
    {
        var names = new List<ObjectName>();
        await using ObjectBatch batch = repository.Store.Objects.BeginBatch();
        foreach (string content in contents)
            names.Add(await batch.AddAsync(ObjectKind.Data, System.Text.Encoding.UTF8.GetBytes(content), Ct));
        await batch.CompleteAsync(Ct);
        return [.. names];
    }
}
