using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Replicas;

public sealed class CollectionHoldTests
{
    private static readonly DateTimeOffset Now = new(2026, 2, 3, 4, 5, 6, TimeSpan.Zero);

    [Fact]
    public void The_oldest_revision_that_a_registered_replica_serves_holds_until_it_was_silent_for_a_day()
    {
        ReplicaSummary[] replicas = [Of("a", 9), Of("slow", 5), Of("gone", 1) with { Registered = false }, Of("silent", 2) with { LastSeenAt = Now - CollectionHold.SeenWithin }];
        Assert.Equal(5UL, CollectionHold.OldestServed(replicas, Now));
        Assert.Null(CollectionHold.OldestServed([], Now));
        Assert.Equal(2UL, CollectionHold.OldestServed(replicas, Now - TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void The_holder_is_named_once_it_is_behind_the_revision_before_the_newest()
    {
        ReplicaSummary[] replicas = [Of("a", 9), Of("slow", 5)];
        Assert.Equal(replicas[1], CollectionHold.Holder(replicas, 9, Now));
        Assert.Equal(replicas[1], CollectionHold.Holder(replicas, 7, Now));
        Assert.Null(CollectionHold.Holder(replicas, 6, Now));
        Assert.Null(CollectionHold.Holder([], 6, Now));
    }

    private static ReplicaSummary Of(string replica, ulong revision) => new(
        new ReplicaKey(RepositoryId.Parse("test.example.org"), ReplicaId.Parse(replica)), true, "geneva", "", false, true, Now, Now, new ReplicaPosition((long)revision, revision, "ab"), null);
}
