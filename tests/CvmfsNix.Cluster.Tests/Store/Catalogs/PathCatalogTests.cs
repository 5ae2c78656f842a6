using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Catalogs;

public sealed class PathCatalogTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void The_same_tree_gives_the_same_bytes()
    {
        SyntheticPath path = SyntheticPath.Package("a", files: 30);
        BuiltPath one = Build(path), two = Build(SyntheticPath.Package("a", files: 30));
        Assert.Equal(one.StoredCatalog!.Value.ToArray(), two.StoredCatalog!.Value.ToArray());
        Assert.NotEqual(one.Record.Nested!.Hash, Build(SyntheticPath.Package("a", files: 30, seed: 1)).Record.Nested!.Hash);
    }

    [Theory]
    [InlineData(6, false)]
    [InlineData(7, true)]
    public void A_path_has_its_own_catalog_from_the_set_number_of_entries_on(int files, bool nested)
    {
        SyntheticPath path = SyntheticPath.Of("a", SyntheticTree.Directory([.. Enumerable.Range(0, files).Select(i => ($"f{i}", SyntheticTree.File($"{i}")))]));
        BuiltPath built = Build(path);
        Assert.Equal(nested, built.Record.Nested is not null);
        Assert.Equal(nested, built.Record.InlineTree is null);
        Assert.Equal(nested, built.StoredCatalog is not null);
    }

    [Fact]
    public async Task The_marker_is_hidden_and_a_marker_of_the_path_itself_is_shown()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath own = SyntheticPath.Of("own", SyntheticTree.Directory((".cvmfscatalog", SyntheticTree.File("mine")), ("x", SyntheticTree.File("x"))));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("plain", files: 20), own);
        CatalogAudit audit = CatalogAudit.Run(repository.RepositoryFolder);
        Assert.Empty(audit.Findings);
        Assert.Equal(4, audit.Catalogs);

        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        Assert.Equal(["bin", "share"], await ListAsync("plain", includeHidden: false));
        Assert.Equal([".cvmfscatalog", "bin", "share"], await ListAsync("plain", includeHidden: true));
        Assert.Equal([".cvmfscatalog", "x"], await ListAsync("own", includeHidden: false));

        async Task<string[]> ListAsync(string name, bool includeHidden)
        {
            var names = new List<string>();
            await foreach (CatalogEntry entry in reader.ListAsync(repository.Format.StoreRoot.Combine(SyntheticPath.NameOf(name).Value), includeHidden, Cancel))
                names.Add(System.Text.Encoding.UTF8.GetString(entry.Path.Name.Span));
            return [.. names];
        }
    }

    private static BuiltPath Build(SyntheticPath path) => new PathCatalogBuilder(TestRepository.FormatOf()).Build(
        new VerifiedPath(path.Upload, [.. path.Objects.Select(o => new CvmfsNix.Cluster.Store.Records.DeltaObject(o.Key, o.Value.Length))]));
}
