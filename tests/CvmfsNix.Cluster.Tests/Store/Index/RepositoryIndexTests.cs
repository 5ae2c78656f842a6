using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Index;

public sealed class RepositoryIndexTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Committed_paths_are_found_by_name_and_by_hash_part_with_all_they_were_registered_with()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath b = SyntheticPath.Package("b"), a = SyntheticPath.Package("a", references: [SyntheticPath.NameOf("a"), b.Path]);
        await repository.PublishAsync(Cancel, a, b);
        PathIndex paths = repository.Store.Index.Paths;

        IndexedPath found = paths.Find(a.Path)!;
        Assert.Equal(2u, found.Revision);
        Assert.Equal((a.Upload.Info.NarHash, a.Upload.Info.NarSize), (found.Info.NarHash, found.Info.NarSize));
        Assert.Equal(a.Upload.Info.References, found.Info.References);
        Assert.Equal(a.Path, paths.FindByHashPart(a.Path.HashPart)!.Info.Path);
        Assert.Null(paths.FindByHashPart(SyntheticPath.NameOf("c").HashPart));
        Assert.Null(paths.FindByHashPart("' OR 1=1"));
        Assert.Equal(((StorePathName[])[a.Path, b.Path]).Order(), paths.All().Select(p => p.Info.Path));
        Assert.Equal([b.Upload.Info.NarHash, null], paths.FindHashes([b.Path, SyntheticPath.NameOf("c")]));
    }

    [Fact]
    public async Task Committed_contents_are_found_and_others_are_not()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Of("a", SyntheticTree.File("some text in chunks", chunkSize: 6));
        await repository.SealAsync([SyntheticPath.Of("uncommitted", SyntheticTree.File("secret"))], Cancel);
        await repository.PublishAsync(Cancel, path);
        StoredContent found = repository.Store.Index.Content.Find([path.Upload.Root.Digest])[0]!;
        Assert.Equal(path.Upload.Root.Content!.Chunks, found.Chunks);
        Assert.Null(repository.Store.Index.Content.Find([SyntheticPath.Of("x", SyntheticTree.File("secret")).Upload.Root.Digest])[0]);
    }

    [Fact]
    public async Task A_damaged_index_is_replaced_by_an_empty_one_and_filled_in_order()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        RepositoryUsage usage = repository.Store.Usage;
        await repository.RestartAsync(Cancel, () => File.WriteAllText(repository.Store.Layout.IndexFile(TestRepository.Name), "this is no database, " + new string('x', 5000)));

        Assert.Equal(0u, repository.Store.IndexedRevision);
        await Assert.ThrowsAsync<IndexBehindException>(() => repository.Store.ReindexAsync(repository.Revisions[1], Cancel));
        await repository.Store.ReindexAsync(repository.Revisions[0], Cancel);
        await repository.Store.ReindexAsync(repository.Revisions[1], Cancel);
        await repository.Store.ReindexAsync(repository.Revisions[1], Cancel);
        Assert.Equal(usage, repository.Store.Usage);
        Assert.NotNull(repository.Store.Index.Paths.Find(SyntheticPath.NameOf("a")));
    }
}
