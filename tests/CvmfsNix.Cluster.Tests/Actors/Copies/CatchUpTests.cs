using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Copies;

/// <summary>A store that is behind, or empty, follows the journal with what the others have.</summary>
public sealed class CatchUpTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_empty_store_refills_itself_although_catalogs_of_old_revisions_are_gone_everywhere()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        for (int i = 0; i < 6; i++)
            await repository.PublishAsync(Ct, SyntheticPath.Package($"p{i}", files: 5 + (i * 10)));
        // What the newest revision superseded is still protected.
        var gone = repository.Revisions.SkipLast(1).SelectMany(r => r.Superseded).ToList();
        Assert.True(gone.Count > 4);
        Assert.All(gone, o => Assert.True(repository.Store.Objects.Delete(o)));
        var journal = FakeJournal.Of(repository);
        await using var source = await PeerNode.OfAsync(repository, "a", journal);
        await using var empty = await PeerNode.EmptyAsync("b", journal);
        PeerNode.Connect(source, empty);

        await empty.Local.CatchUpAsync(Ct);

        AssertServes(empty, repository);
        Assert.Equal(7L, empty.Store.AppliedSequence);
        Assert.Equal(7UL, empty.Store.IndexedRevision);
        Assert.All(Enumerable.Range(0, 6), i => Assert.NotNull(empty.Store.Index.Paths.Find(SyntheticPath.NameOf($"p{i}"))));
        // Clients come from the revision before: its catalogs are there too.
        var before = repository.Revisions[^2].Head;
        Assert.True(CatalogAudit.Run(empty.Store.Layout.RepositoryFolder(TestRepository.Name), before.RootHash.ToString(), before.RootSize).Findings.Count == 0);
    }

    [Fact]
    public async Task A_store_follows_revision_by_revision_and_serves_none_that_it_does_not_have_whole()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        var journal = FakeJournal.Of(repository);
        await using var source = await PeerNode.OfAsync(repository, "a", journal);
        await using var follower = await PeerNode.EmptyAsync("b", journal);
        PeerNode.Connect(source, follower);
        await follower.Local.CatchUpAsync(Ct);
        await repository.PublishAsync(Ct, SyntheticPath.Package("one", files: 30));
        journal.Append(repository);
        await follower.Local.CatchUpAsync(Ct);
        AssertServes(follower, repository);

        await repository.PublishAsync(Ct, SyntheticPath.Package("two", files: 30));
        journal.Append(repository);
        PeerNode.Connect(follower);
        await Assert.ThrowsAsync<IncompleteStoreException>(() => follower.Local.CatchUpAsync(Ct));
        Assert.Equal((2UL, 2L), (follower.Local.Revision, follower.Local.SeenSequence));
        Assert.Empty(Audit(follower).Findings);
        Assert.NotNull(follower.Local.Problem);

        PeerNode.Connect(source, follower);
        await follower.Local.CatchUpAsync(Ct);
        AssertServes(follower, repository);
        Assert.Null(follower.Local.Problem);
    }

    [Theory]
    [InlineData("cvmfs")]
    [InlineData("cvmfs/test.example.org/data")]
    [InlineData("meta/test.example.org/blobs")]
    public async Task A_store_that_lost_its_objects_but_not_its_memory_is_a_new_one_and_refills_itself(string part)
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await repository.PublishAsync(Ct, SyntheticPath.Package("one", files: 30));
        await repository.PublishAsync(Ct, SyntheticPath.Package("two", files: 30));
        var journal = FakeJournal.Of(repository);
        await using var source = await PeerNode.OfAsync(repository, "a", journal);
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-lost-").FullName;
        try
        {
            string id = StoreIdentity.LoadOrCreate(new StoreLayout(folder));
            await using (var whole = await PeerNode.InAsync(folder, id, journal))
            {
                PeerNode.Connect(source, whole);
                await whole.Local.CatchUpAsync(Ct);
                AssertServes(whole, repository);
            }

            Directory.Delete(Path.Combine(folder, part), recursive: true);
            string second = StoreIdentity.LoadOrCreate(new StoreLayout(folder));
            Assert.NotEqual(id, second);
            await using var robbed = await PeerNode.InAsync(folder, second, journal);
            Assert.False(File.Exists(Path.Combine(robbed.Store.Layout.RepositoryFolder(TestRepository.Name), ".cvmfspublished")));
            Assert.Equal((0L, 0UL), (robbed.Store.AppliedSequence, robbed.Store.IndexedRevision));
            PeerNode.Connect(source, robbed);
            await robbed.Local.CatchUpAsync(Ct);
            AssertServes(robbed, repository);
            Assert.Equal(second, StoreIdentity.LoadOrCreate(new StoreLayout(folder)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task What_one_store_lacks_comes_from_the_next()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await repository.PublishAsync(Ct, SyntheticPath.Package("one", files: 30));
        var journal = FakeJournal.Of(repository);
        await using var source = await PeerNode.OfAsync(repository, "a", journal);
        await using var bare = await PeerNode.EmptyAsync("b", journal);
        await using var broken = await PeerNode.EmptyAsync("c", journal);
        await using var empty = await PeerNode.EmptyAsync("d", journal);
        broken.Before = _ => throw new IOException("broken");
        PeerNode.Connect(bare, broken, source, empty);
        await empty.Local.CatchUpAsync(Ct);
        AssertServes(empty, repository);
    }

    [Fact]
    public async Task A_node_tells_how_far_a_store_that_it_has_not_opened_has_followed()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await repository.PublishAsync(Ct, SyntheticPath.Package("one"));
        await using var source = await PeerNode.OfAsync(repository, "a");
        await using var asking = await PeerNode.EmptyAsync("b");
        PeerNode.Connect(source, asking);
        var (applied, store) = await asking.Copies(2).HighestAppliedAsync(TestRepository.Name, Ct);
        Assert.Equal((2L, "a"), (applied, store!.Id));
        Assert.Equal(2L, RepositoryStore.LastApplied(repository.Store.Layout, TestRepository.Name));
        Assert.Equal(0L, RepositoryStore.LastApplied(repository.Store.Layout, "other.example.org"));
    }

    private static void AssertServes(PeerNode node, TestRepository repository)
    {
        Assert.Equal(repository.Head.Revision, node.Local.Revision);
        string served = File.ReadAllText(Path.Combine(node.Store.Layout.RepositoryFolder(TestRepository.Name), ".cvmfspublished"), System.Text.Encoding.Latin1);
        Assert.Contains($"C{repository.Head.RootHash}\n", served, StringComparison.Ordinal);
        Assert.Empty(Audit(node).Findings);
    }

    private static CatalogAudit Audit(PeerNode node) => CatalogAudit.Run(node.Store.Layout.RepositoryFolder(TestRepository.Name));
}
