using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

public sealed class CommitQueueTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 0, 0, 0, TimeSpan.Zero);

    private static SealedTransaction Tx(string builder, string name) => new(TransactionId.Create(Now), new RequestDigest(new byte[32]), name, 1, 1, builder);

    private static string Names(IReadOnlyList<CommitQueue.Queued> batch) => string.Join(' ', batch.Select(q => q.Transaction.BundleDigest));

    [Fact]
    public void Builders_take_turns_and_each_is_served_oldest_first()
    {
        var queue = new CommitQueue(100);
        foreach (var name in new[] { "a1", "a2", "a3", "a4", "b1", "c1", "c2" })
            Assert.True(queue.TryAdd(Tx(name[..1], name), Now));
        Assert.Equal("a1 b1 c1 a2", Names(queue.Take(4)));
        Assert.Equal("c2 a3 a4", Names(queue.Take(10)));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void A_full_queue_refuses_but_keeps_what_it_has()
    {
        var queue = new CommitQueue(1);
        var first = Tx("a", "a1");
        Assert.True(queue.TryAdd(first, Now));
        Assert.True(queue.TryAdd(first, Now));
        Assert.False(queue.TryAdd(Tx("b", "b1"), Now));
        Assert.Equal(1, queue.Count);
    }

    [Fact]
    public void A_returned_batch_comes_again_first_and_a_deferred_transaction_after_its_release()
    {
        var queue = new CommitQueue(10);
        foreach (var name in new[] { "a1", "a2", "a3" })
            queue.TryAdd(Tx("a", name), Now);
        var batch = queue.Take(2);
        queue.Return(batch);
        batch = queue.Take(2);
        Assert.Equal("a1 a2", Names(batch));
        Assert.Equal(2, batch[0].Tries);
        queue.Defer(batch[0]);
        Assert.Equal("a3", Names(queue.Take(5)));
        Assert.True(queue.Contains(batch[0].Transaction.Id));
        queue.Release();
        Assert.Equal("a1", Names(queue.Take(5)));
    }
}
