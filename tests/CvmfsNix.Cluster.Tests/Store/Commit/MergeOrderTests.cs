using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

public sealed class MergeOrderTests
{
    private static readonly SyntheticPath[] Paths =
    [
        SyntheticPath.Package("large", 20), SyntheticPath.Package("medium", 9), SyntheticPath.Package("small", 1), SyntheticPath.Package("other", 12, seed: 7),
        SyntheticPath.Of("file", SyntheticTree.File("x")), SyntheticPath.Of("link", SyntheticTree.Symlink("../y")), SyntheticPath.Of("empty", SyntheticTree.Directory()),
        SyntheticPath.Of("marked", SyntheticTree.Directory((".cvmfscatalog", SyntheticTree.File("")), ("a", SyntheticTree.File("b")))),
    ];

    /// <summary>An order of the paths, and how many of them each transaction and how many transactions each commit has.</summary>
    private static readonly Gen<(int[] Order, int[] Transactions, int[] Commits)> Plans = Gen.Select(
        Gen.Int[0, int.MaxValue].Array[Paths.Length].Select(keys => Enumerable.Range(0, keys.Length).OrderBy(i => keys[i]).ToArray()),
        Gen.Int[1, 4].Array[Paths.Length],
        Gen.Int[1, 3].Array[Paths.Length]);

    [Fact]
    public async Task Merging_the_same_paths_in_any_order_and_batches_gives_the_same_tree()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        (List<CatalogEntry> Listing, List<CatalogEntry> StoreRows, CatalogStatistics Root, IReadOnlyList<NestedCatalog> Nested) once = await PublishAsync(([.. Enumerable.Range(0, Paths.Length)], [Paths.Length], [1]), cancel);
        Assert.True(once.Listing.Count > 60);
        await Plans.SampleAsync(
            async plan =>
            {
                var found = await PublishAsync(plan, cancel);
                Assert.Equal(once.Listing, found.Listing);
                Assert.Equal(once.StoreRows, found.StoreRows);
                Assert.Equal(once.Nested, found.Nested);
                Assert.Equal(once.Root, found.Root);
            },
            iter: 12,
            threads: 1);
    }

    private static async Task<(List<CatalogEntry> Listing, List<CatalogEntry> StoreRows, CatalogStatistics Root, IReadOnlyList<NestedCatalog> Nested)> PublishAsync(
        (int[] Order, int[] Transactions, int[] Commits) plan, CancellationToken cancel)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(cancel);
        var rest = new Queue<int>(plan.Order);
        for (int commit = 0, transaction = 0; rest.Count > 0; commit++)
        {
            List<CommitMember> members = [];
            for (int i = 0; i < plan.Commits[commit % plan.Commits.Length] && rest.Count > 0; i++)
            {
                List<SyntheticPath> paths = [];
                for (int wanted = plan.Transactions[transaction++ % plan.Transactions.Length]; wanted > 0 && rest.Count > 0; wanted--)
                    paths.Add(Paths[rest.Dequeue()]);
                members.Add(await repository.SealAsync(paths, cancel));
            }

            PreparedCommit prepared = await repository.PrepareAsync(cancel, [.. members]);
            Assert.All(prepared.Outcomes, o => Assert.Equal(MemberStatus.Committed, o.Status));
            await repository.CommitAsync(prepared.Revision!, cancel);
        }

        List<CatalogEntry> listing = [];
        await using (var reader = await repository.OpenReaderAsync(cancel))
        {
            await foreach (CatalogEntry entry in reader.WalkAsync(RepositoryPath.Root, includeHidden: true, cancel))
                listing.Add(entry);
        }

        using CatalogReader root = Open(repository, new ObjectName(repository.Head.RootHash, ObjectKind.Catalog));
        using CatalogReader store = Open(repository, new ObjectName(repository.Head.StoreCatalog, ObjectKind.Catalog));
        return (listing, [.. store.All()], root.Statistics, store.Nested());
    }

    private static CatalogReader Open(TestRepository repository, ObjectName name)
    {
        string file = Path.GetTempFileName();
        File.WriteAllBytes(file, ObjectCompression.Decompress(File.ReadAllBytes(Path.Combine(repository.RepositoryFolder, name.RelativePath)), 1 << 26));
        return CatalogReader.Open(file, deleteOnClose: true);
    }
}
