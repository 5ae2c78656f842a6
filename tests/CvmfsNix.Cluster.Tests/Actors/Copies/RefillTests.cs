using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Store.Collection;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Copies;

/// <summary>A store that follows the journal from far behind, past removals whose objects are gone for good.</summary>
public sealed class RefillTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stores_that_are_replaced_one_after_the_other_lose_neither_what_a_tag_needs_nor_what_can_be_had_back()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath tagged = SyntheticPath.Package("tagged", files: 12), gone = SyntheticPath.Package("gone"), lately = SyntheticPath.Package("lately");
        await PublishAsync(model, tagged, lately, SyntheticPath.Package("stays"));
        await model.TagAsync("v1");
        RepositoryTag tag = model.Repository.Head.NamedTags[0];
        await PublishAsync(model, gone);
        await model.RemoveAsync(tagged.Path, gone.Path);
        await PublishAsync(model, SyntheticPath.Package("next"));
        model.Pass(CollectionModel.Grace * 2);
        await model.KeepHouseAsync();
        await model.RemoveAsync(lately.Path);
        await PublishAsync(model, SyntheticPath.Package("newest"));
        model.Pass(CollectionModel.Grace * 2);
        await model.CollectAsync();
        Assert.True(model.State.ExpiredRemoval > 0);
        Assert.Single(model.State.Removals);
        Assert.Contains(gone.Objects.Keys, o => !model.Repository.Store.Objects.Contains(o));
        var journal = new FakeJournal();
        journal.Events.AddRange(model.Events);
        await using var first = await PeerNode.OfAsync(model.Repository, "a", journal);
        await using var second = await PeerNode.EmptyAsync("b", journal);
        await using var third = await PeerNode.EmptyAsync("c", journal);

        PeerNode.Connect(first, second);
        await second.Local.CatchUpAsync(Ct);
        PeerNode.Connect(second, third);
        await third.Local.CatchUpAsync(Ct);

        foreach (PeerNode node in (PeerNode[])[second, third])
        {
            string folder = node.Store.Layout.RepositoryFolder(TestRepository.Name);
            Assert.False(node.Store.IsIncomplete);
            Assert.Equal(model.Events.Count, node.Store.AppliedSequence);
            Assert.Empty(CatalogAudit.Run(folder).Findings);
            Assert.Empty(CatalogAudit.Run(folder, tag.RootHash.ToString(), tag.RootSize).Findings);
            Assert.All(lately.Objects.Keys, o => Assert.True(node.Store.Objects.Contains(o)));
            Age(folder);
            await node.CollectAsync(journal, CollectionModel.Grace);
            Assert.Empty(CatalogAudit.Run(folder).Findings);
            Assert.Empty(CatalogAudit.Run(folder, tag.RootHash.ToString(), tag.RootSize).Findings);
            Assert.All(lately.Objects.Keys, o => Assert.True(node.Store.Objects.Contains(o)));
        }
    }

    [Fact]
    public async Task A_store_that_cannot_get_what_a_tag_needs_serves_nothing_of_it()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath tagged = SyntheticPath.Package("tagged", files: 12);
        await PublishAsync(model, tagged);
        await model.TagAsync("v1");
        await model.RemoveAsync(tagged.Path);
        await PublishAsync(model, SyntheticPath.Package("next"));
        model.Pass(CollectionModel.Grace * 2);
        await model.KeepHouseAsync();
        Assert.True(model.State.ExpiredRemoval > 0);
        await PublishAsync(model, SyntheticPath.Package("newest"));
        model.Repository.Store.Objects.Delete(tagged.Objects.Keys.Last());
        var journal = new FakeJournal();
        journal.Events.AddRange(model.Events);
        await using var source = await PeerNode.OfAsync(model.Repository, "a", journal);
        await using var empty = await PeerNode.EmptyAsync("b", journal);
        PeerNode.Connect(source, empty);

        await Assert.ThrowsAsync<CvmfsNix.Cluster.Store.Repositories.IncompleteStoreException>(() => empty.Local.CatchUpAsync(Ct));
        Assert.True(empty.Store.IsIncomplete);
        Assert.Null(empty.Store.Served);
    }

    [Fact]
    public async Task A_node_takes_for_needed_what_the_state_of_its_journal_names()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        await PublishAsync(model, SyntheticPath.Package("tagged"));
        await model.TagAsync("v1");
        await model.RemoveAsync(SyntheticPath.NameOf("tagged"));
        await PublishAsync(model, SyntheticPath.Package("next"));
        var journal = new FakeJournal();
        journal.Events.AddRange(model.Events);
        await using var node = await PeerNode.OfAsync(model.Repository, "a", journal);

        CollectionRoots roots = await node.RootsAsync(journal);

        RepositoryState state = model.State;
        Assert.Equal(new[] { state.Head!.RootHash, state.Head.NamedTags[0].RootHash }.Order(), roots.Walked.Order());
        Assert.Equal([state.Removals.Single().Digest], roots.Removals);
        ObjectHash[] superseded = [.. state.Superseded.SelectMany(s => s.Objects).Select(o => o.Hash)];
        Assert.NotEmpty(superseded);
        Assert.Superset(superseded.ToHashSet(), roots.ByName.ToHashSet());
        Assert.Contains(state.PreviousHead!.RootHash, roots.ByName);
    }

    [Fact]
    public async Task What_completes_a_store_is_not_taken_by_a_collection_that_was_planned_before()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath nested = SyntheticPath.Package("nested", files: 12);
        await PublishAsync(model, nested);
        ObjectHash had = model.Repository.Head.RootHash;
        ObjectName[] catalogs = [new(had, ObjectKind.Catalog), new(model.Repository.Head.StoreCatalog, ObjectKind.Catalog)];
        byte[][] kept = [.. catalogs.Select(c => File.ReadAllBytes(FileOf(model, c)))];
        await model.RemoveAsync(nested.Path);
        ObjectName[] objects = [.. PathInfoFile.ReadRemoved(model.Repository.Store.Blobs.OpenRead(model.State.Removals[0].Digest)!, HashAlgorithmId.Sha1, "r").Single().Objects.Select(o => o.Name)];
        Assert.Contains(objects, o => o.Kind == ObjectKind.Catalog);
        await PublishAsync(model, SyntheticPath.Package("next"));
        model.Pass(CollectionModel.Grace * 2);
        await model.KeepHouseAsync();
        model.Pass(CollectionModel.Grace * 2);
        await Assert.ThrowsAsync<InvalidOperationException>(() => model.CollectAsync(at =>
        {
            if (at == CvmfsNix.Cluster.Store.Steps.StepNames.CollectPlanned)
                throw new InvalidOperationException("killed");
        }));

        // A revision that has the path again comes from elsewhere, and its records only.
        foreach ((ObjectName catalog, byte[] bytes) in catalogs.Zip(kept))
            File.WriteAllBytes(FileOf(model, catalog), bytes);
        Assert.Empty(model.Repository.Store.MissingBelow([had], 100, Ct));
        await model.Repository.Store.MarkCompleteAsync(Ct);
        await model.CollectAsync();
        Assert.Empty(model.Repository.Store.Objects.FindMissing(objects));
        Assert.Empty(model.Repository.Store.MissingBelow([had], 100, Ct));
    }

    [Fact]
    public async Task Catalogs_of_a_tag_that_are_looked_for_are_counted_on()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        await PublishAsync(model, SyntheticPath.Package("tagged"));
        ObjectName[] catalogs = [new(model.Repository.Head.RootHash, ObjectKind.Catalog), new(model.Repository.Head.StoreCatalog, ObjectKind.Catalog)];
        await model.TagAsync("v1");
        await PublishAsync(model, SyntheticPath.Package("next"));
        await model.RestartAsync();
        model.Pass(CollectionModel.Grace * 2);
        Assert.Empty(model.Repository.Store.MissingOfTags(model.Repository.Head));
        Assert.All(catalogs, c => Assert.True(DateTime.UtcNow - File.GetLastWriteTimeUtc(FileOf(model, c)) < CollectionModel.Grace));
    }

    private static string FileOf(CollectionModel model, ObjectName name) => ((CvmfsNix.Cluster.Store.Objects.DirectoryObjectStore)model.Repository.Store.Objects).PathOf(name);

    private static void Age(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(folder, "data"), "*", SearchOption.AllDirectories))
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow - (CollectionModel.Grace * 3));
    }

    private static async Task PublishAsync(CollectionModel model, params SyntheticPath[] paths)
    {
        await model.SealAsync(paths);
        await model.CommitAsync();
    }
}
