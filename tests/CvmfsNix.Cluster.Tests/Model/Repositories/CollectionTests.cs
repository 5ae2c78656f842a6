using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Tests.Actors;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

/// <summary>What may be collected: nothing that a replica or a tag still needs.</summary>
public sealed class CollectionTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly TimeSpan Keep = TimeSpan.FromHours(1);
    private static readonly DateTimeOffset Late = At + TimeSpan.FromHours(2);

    [Fact]
    public void What_a_replica_still_serves_is_not_collected()
    {
        // Each revision supersedes the store catalog of the one before; the newest two are protected anyway.
        RepositoryState state = Committed(6);
        Assert.Equal([Store(1), Store(2), Store(3), Store(4)], state.Collect(Keep, Late)!.Objects);
        Assert.Equal([Store(1)], state.Collect(Keep, Late, oldestServed: 2)!.Objects);
        Assert.Null(state.Collect(Keep, Late, oldestServed: 1));
        Assert.Null(state.Collect(Keep, Late, oldestServed: 0));
        Assert.Equal([Store(1), Store(2), Store(3), Store(4)], state.Collect(Keep, Late, oldestServed: 6)!.Objects);
    }

    [Fact]
    public void What_a_version_superseded_that_did_not_know_the_revision_waits_for_replicas_at_the_head()
    {
        RepositoryState state = Committed(4);
        state = state with { Superseded = [.. state.Superseded.Select(s => s with { Revision = 0 })] };
        Assert.Null(state.Collect(Keep, Late, oldestServed: 3));
        Assert.Equal([Store(1), Store(2)], state.Collect(Keep, Late, oldestServed: 4)!.Objects);
    }

    [Fact]
    public void A_tag_on_a_superseded_revision_takes_its_catalogs_off_the_list_and_its_removal_puts_them_back()
    {
        RepositoryState state = Committed(6);
        RevisionHead head = state.Head!;
        var tag = new RepositoryTag("v1", Fake.Hash("root 2 "), 2, At, 1, "");
        Assert.False(state.IsAlive(tag.RootHash, tag.Revision));
        Assert.True(state.IsAlive(Store(2).Hash, 2));

        RevisionHead tagged = head with { NamedTags = [tag], TaggedAt = At, History = Fake.Hash("other"), CommittedHistory = head.History };
        state = state.Apply(new TagSet(tag, new TagState(tagged, new byte[] { 1 }, [], [Store(2)]), At));
        Assert.Equal([Store(1), Store(3), Store(4)], state.Collect(Keep, Late)!.Objects);
        Assert.True(state.IsAlive(tag.RootHash, tag.Revision));

        state = state.Apply(new TagRemoved("v1", new TagState(head with { TaggedAt = At, CommittedHistory = head.History }, new byte[] { 1 }, [Store(2)], []), Late));
        Assert.Equal([Store(1), Store(3), Store(4)], state.Collect(Keep, Late)!.Objects);
        Assert.Equal([Store(1), Store(3), Store(4), Store(2)], state.Collect(Keep, Late + Keep)!.Objects);
        Assert.DoesNotContain(Store(2), state.Collect(Keep, Late + Keep, oldestServed: 6)!.Objects);
    }

    [Fact]
    public void The_tag_database_of_a_commit_stays_as_long_as_its_revision_is_one_of_the_newest_two()
    {
        RepositoryState state = Committed(3);
        RevisionHead head = state.Head!;
        var other = new ObjectName(Fake.Hash("other"), ObjectKind.History);
        state = state.Apply(new TagRemoved("v", new TagState(head with { History = other.Hash, CommittedHistory = head.History, TaggedAt = At }, new byte[] { 1 }, [], []), At));
        var committed = new ObjectName(head.History, ObjectKind.History);
        state = Next(state, [other, committed]);
        Assert.DoesNotContain(committed, state.Collect(Keep, Late)!.Objects);
        state = Next(state, []);
        Assert.Contains(committed, state.Collect(Keep, Late)!.Objects);
        Assert.Contains(other, state.Collect(Keep, Late)!.Objects);
    }

    private static ObjectName Store(ulong revision) => new(Fake.Hash($"store {revision}"), ObjectKind.Catalog);

    private static RepositoryState Committed(ulong revisions)
    {
        var definition = new RepositoryDefinition(RepositoryId.Parse("test.example.org"), StoreDirectory.Default, HashAlgorithmId.Sha1, 240, 8, Fake.Hash("certificate"));
        RepositoryState state = RepositoryState.Empty.Apply(new RepositoryCreated(definition, new byte[] { 1 }, At, Fake.Revision(1, At, null, []), At));
        while (state.Head!.Revision < revisions)
            state = Next(state, []);
        return state;
    }

    private static RepositoryState Next(RepositoryState state, IEnumerable<ObjectName> superseded)
    {
        Revision next = Fake.Revision(state.Head!.Revision + 1, At, state.Head, []);
        return state.Apply(new RevisionCommitted(next with { Superseded = [.. next.Superseded, .. superseded] }, [], [], At));
    }
}
