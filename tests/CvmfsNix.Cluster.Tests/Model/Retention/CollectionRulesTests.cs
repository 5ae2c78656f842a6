using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Tests.Actors;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Retention;

/// <summary>When the grace of removed paths is over.</summary>
public sealed class CollectionRulesTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);
    private static readonly DateTimeOffset Late = At + TimeSpan.FromHours(3);

    [Fact]
    public void A_grace_is_over_only_once_no_replica_serves_a_revision_from_before_the_removal()
    {
        RepositoryState state = StateOf(head: 9, (3, At), (5, At), (7, At));
        Assert.Equal(new RemovalsExpired(7, Late), CollectionRules.Expire(state, Grace, Late, null));
        Assert.Equal(new RemovalsExpired(7, Late), CollectionRules.Expire(state, Grace, Late, 7));
        Assert.Equal(new RemovalsExpired(5, Late), CollectionRules.Expire(state, Grace, Late, 6));
        Assert.Equal(new RemovalsExpired(3, Late), CollectionRules.Expire(state, Grace, Late, 3));
        Assert.Null(CollectionRules.Expire(state, Grace, Late, 2));
        // One that works at its first revision.
        Assert.Null(CollectionRules.Expire(state, Grace, Late, 0));
    }

    [Fact]
    public void A_grace_is_over_only_once_the_revision_before_the_newest_has_the_removal()
    {
        Assert.Null(CollectionRules.Expire(StateOf(head: 7, (7, At)), Grace, Late, null));
        Assert.NotNull(CollectionRules.Expire(StateOf(head: 8, (7, At)), Grace, Late, null));
        // A replica that is ahead of it changes nothing.
        Assert.Null(CollectionRules.Expire(StateOf(head: 7, (7, At)), Grace, Late, 7));
    }

    [Fact]
    public void Graces_end_in_order_and_by_the_clock()
    {
        RepositoryState state = StateOf(head: 9, (3, At), (5, At + TimeSpan.FromHours(1)), (7, At));
        Assert.Null(CollectionRules.Expire(state, Grace, At + Grace - TimeSpan.FromTicks(1), null));
        Assert.Equal(3UL, CollectionRules.Expire(state, Grace, At + Grace, null)!.UpTo);
        Assert.Equal(7UL, CollectionRules.Expire(state, Grace, At + (2 * Grace), null)!.UpTo);
        Assert.Null(CollectionRules.Expire(StateOf(head: 9), Grace, Late, null));
    }

    private static RepositoryState StateOf(ulong head, params (ulong Revision, DateTimeOffset At)[] removals) => RepositoryState.Empty with
    {
        Head = Fake.Revision(head, At, null, []).Head with { Previous = new RepositoryTag("trunk-previous", Fake.Hash("before"), head - 1, At, 1, "") },
        Removals = [.. removals.Select(r => new RemovedPaths(r.Revision, r.At, "d", 1))],
    };
}
