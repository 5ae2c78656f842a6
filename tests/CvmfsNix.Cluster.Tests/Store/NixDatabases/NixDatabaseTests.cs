using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Store.Collection;
using CvmfsNix.Cluster.Tests.Verify;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.NixDatabases;

/// <summary>The database of Nix in the tree follows the paths: with commits and removals, over restarts, whatever becomes of its pieces.</summary>
public sealed class NixDatabaseTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(HashAlgorithmId.Sha1, "/nix/store")]
    [InlineData(HashAlgorithmId.Shake128, "/cvmfs/test.example.org/deep/store")]
    public async Task It_has_the_paths_of_the_tree_and_lies_where_nix_looks_for_it(HashAlgorithmId algorithm, string storeDirectory)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, algorithm, storeDirectory, nixDatabase: true);
        using (ReadNixDatabase empty = await ReadNixDatabase.OpenAsync(repository, Cancel))
            empty.AssertIs(repository);
        SyntheticPath library = SyntheticPath.Package("library", algorithm: algorithm);
        await repository.PublishAsync(Cancel, library);
        StorePathName self = SyntheticPath.NameOf("self");
        await repository.PublishAsync(
            Cancel,
            SyntheticPath.Of("self", SyntheticTree.File("refers to itself"), [self, library.Path], algorithm),
            SyntheticPath.Of("app", SyntheticTree.Symlink("/x"), [self, library.Path], algorithm));
        await repository.FinishNixDatabaseAsync(Cancel);

        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        RepositoryPath state = repository.Format.ProfilesRoot.Parent;
        foreach (RepositoryPath folder in (RepositoryPath[])[
            repository.Format.StoreRoot.Combine(".links"), state.Combine("temproots"), state.Combine("gcroots").Combine("per-user"), state.Combine("profiles").Combine("per-user")])
        {
            CatalogEntry? entry = await reader.FindAsync(folder, Cancel);
            Assert.Equal(EntryType.Directory, entry?.Type);
        }

        using var schema = new MemoryStream();
        await reader.CopyToAsync((await reader.FindAsync(state.Combine("db").Combine("schema"), Cancel))!, schema, Cancel);
        Assert.Equal("10"u8.ToArray(), schema.ToArray());
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task The_outputs_of_derivations_are_known()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        const string text = """Derive([("lib","/nix/store/00000000000000000000000000000000-a-lib","",""),("out","/nix/store/00000000000000000000000000000000-a","","")],[],[],"s","/bin/sh",[],[])""";
        await repository.PublishAsync(Cancel, SyntheticPath.Of("a.drv", SyntheticTree.File(text)), SyntheticPath.Of("no.drv", SyntheticTree.File("no derivation")), SyntheticPath.Package("dir.drv"));
        await repository.FinishNixDatabaseAsync(Cancel);

        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        Assert.Equal(
            [$"/nix/store/{SyntheticPath.NameOf("a.drv")}|lib|/nix/store/00000000000000000000000000000000-a-lib", $"/nix/store/{SyntheticPath.NameOf("a.drv")}|out|/nix/store/00000000000000000000000000000000-a"],
            database.Lines("SELECT v.path, o.id, o.path FROM DerivationOutputs o JOIN ValidPaths v ON v.id = o.drv ORDER BY o.id"));
    }

    [Fact]
    public async Task A_removed_path_is_out_of_it_with_the_revision_that_removes_it()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        SyntheticPath stays = SyntheticPath.Package("stays");
        await repository.PublishAsync(Cancel, stays, SyntheticPath.Package("goes", references: [stays.Path]), SyntheticPath.Of("too", SyntheticTree.File("x"), [SyntheticPath.NameOf("goes")]));
        CommittedRevision? removal = await repository.RemoveAsync(Cancel, SyntheticPath.NameOf("goes"), SyntheticPath.NameOf("too"));

        Assert.Equal(2, removal!.PathsRemoved);
        using (ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel))
            database.AssertIs(repository);
        await AssertGoodAsync(repository);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("goes", references: [stays.Path]));
        await repository.FinishNixDatabaseAsync(Cancel);
        using (ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel))
            database.AssertIs(repository);
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task A_burst_of_commits_stores_it_now_and_then_and_the_last_revision_has_all()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        for (int i = 0; i < 20; i++)
        {
            await repository.PublishAsync(Cancel, SyntheticPath.Of($"p{i}", SyntheticTree.File($"{i}"), i == 0 ? [] : [SyntheticPath.NameOf($"p{i - 1}")]));
            using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
            database.AssertSound();
        }

        // The first of a burst has it at once; at that pace not every one of the others can have had it.
        Assert.NotEmpty(repository.Revisions[1].Made);
        Assert.Contains(repository.Revisions, r => r.Made.Count == 0);
        CommittedRevision? last = await repository.FinishNixDatabaseAsync(Cancel);
        Assert.Equal(last is null, repository.Revisions[^1].Head.Revision == 21);
        using (ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel))
            database.AssertIs(repository);
        Assert.Null(await repository.FinishNixDatabaseAsync(Cancel));
        Assert.Null(repository.Store.NixDatabaseDueIn);
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task A_commit_adds_the_pieces_it_changed_and_no_others()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        await repository.PublishAsync(Cancel, [.. Enumerable.Range(0, 1500).Select(i => SyntheticPath.Of($"p{i}", SyntheticTree.Symlink($"/{i}")))]);
        await repository.FinishNixDatabaseAsync(Cancel);
        CatalogEntry before = await RowAsync(repository);
        Assert.True(before.Chunks.Count > 10);

        await repository.RestartAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Of("more", SyntheticTree.Symlink("/more"), [SyntheticPath.NameOf("p7")]));

        CommittedRevision revision = repository.Revisions[^1];
        CatalogEntry after = await RowAsync(repository);
        Assert.Equal(revision.Made.Select(o => o.Hash).Order(), after.Chunks.Select(c => c.Hash).Except(before.Chunks.Select(c => c.Hash)).Order());
        // A leaf of each index, and the ends of the tables.
        Assert.InRange(revision.Made.Count, 2, 8);
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_whose_pieces_are_lost_or_damaged_is_made_anew(bool damaged)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"), SyntheticPath.Package("b", references: [SyntheticPath.NameOf("a")]));
        await repository.FinishNixDatabaseAsync(Cancel);
        string piece = Path.Combine(repository.RepositoryFolder, "data", ObjectFile((await RowAsync(repository)).Chunks[1].Hash));
        await repository.RestartAsync(Cancel, () =>
        {
            File.Delete(piece);
            if (damaged)
                File.WriteAllBytes(piece, [1, 2, 3]);
        });

        await repository.PublishAsync(Cancel, SyntheticPath.Package("c", references: [SyntheticPath.NameOf("b")]));
        await repository.FinishNixDatabaseAsync(Cancel);
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
    }

    [Fact]
    public async Task A_leader_that_was_lost_before_it_stored_it_leaves_that_to_the_next()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b", references: [SyntheticPath.NameOf("a")]));
        Assert.Empty(repository.Revisions[^1].Made);
        await repository.RestartAsync(Cancel);

        CommittedRevision? finished = await repository.FinishNixDatabaseAsync(Cancel);
        Assert.Equal(2, finished!.Head.Paths);
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task A_revision_that_was_not_appended_leaves_no_trace_in_the_next()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.PrepareAsync(Cancel, await repository.SealAsync([SyntheticPath.Package("lost")], Cancel));
        await repository.Store.DiscardAsync(Cancel);

        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        await repository.FinishNixDatabaseAsync(Cancel);
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
    }

    [Fact]
    public async Task A_store_serves_no_revision_whose_database_is_not_all_here()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.FinishNixDatabaseAsync(Cancel);
        PreparedCommit prepared = await repository.PrepareAsync(Cancel, await repository.SealAsync([SyntheticPath.Package("b")], Cancel));
        ObjectName lost = new((await RowAsync(repository)).Chunks[^1].Hash, ObjectKind.Chunk);
        await repository.RestartAsync(Cancel);
        byte[] bytes = await File.ReadAllBytesAsync(Path.Combine(repository.RepositoryFolder, "data", ObjectFile(lost.Hash)), Cancel);
        repository.Store.Objects.Delete(lost);

        await Assert.ThrowsAsync<IncompleteStoreException>(() => repository.CommitAsync(prepared.Revision!, Cancel));
        Assert.Contains(lost, repository.Store.MissingOfRoot(prepared.Revision!.Head));
        await using (var batch = repository.Store.Objects.BeginBatch())
        {
            await batch.AddAsync(ObjectKind.Chunk, bytes, Cancel);
            await batch.CompleteAsync(Cancel);
        }

        await repository.CommitAsync(prepared.Revision!, Cancel);
    }

    [Fact]
    public async Task Superseded_pieces_are_collected_and_those_of_tags_are_not()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync(nixDatabase: true);
        TestRepository repository = model.Repository;
        await PublishAsync(model, "a");
        await model.FinishNixDatabaseAsync();
        await model.TagAsync("kept");
        CatalogEntry tagged = await RowAsync(repository);
        await PublishAsync(model, "b");
        await model.FinishNixDatabaseAsync();
        CatalogEntry superseded = await RowAsync(repository);
        await PublishAsync(model, "c");
        await model.FinishNixDatabaseAsync();
        await PublishAsync(model, "d");
        await model.FinishNixDatabaseAsync();
        CatalogEntry newest = await RowAsync(repository);

        ObjectHash[] live = [.. tagged.Chunks.Concat(newest.Chunks).Select(c => c.Hash)];
        ObjectHash[] dead = [.. superseded.Chunks.Select(c => c.Hash).Except(live)];
        Assert.NotEmpty(dead);
        model.Pass(CollectionModel.Grace * 2);
        Assert.Equal(0, (await model.CollectTwiceAsync("kept")).DeletedObjects);
        model.AgeSightings(CollectionModel.Grace * 2);
        await model.CollectTwiceAsync("kept");
        Assert.All(dead, h => Assert.False(repository.Store.Objects.Contains(new ObjectName(h, ObjectKind.Chunk))));
        Assert.All(live, h => Assert.True(repository.Store.Objects.Contains(new ObjectName(h, ObjectKind.Chunk))));
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
    }

    [Fact]
    public async Task Whatever_is_published_and_removed_it_is_sound_in_every_revision_and_complete_in_the_last() =>
        await Gen.Select(Gen.Int[0, 5], Gen.Int[0, 30]).Array[1, 14].SampleAsync(
            async steps =>
            {
                await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
                var known = new List<StorePathName>();
                foreach ((int what, int which) in steps)
                {
                    switch (what)
                    {
                        case 0:
                            await repository.RemoveAsync(Cancel, [.. known.Where((_, i) => (i * 7 + which) % 3 == 0)]);
                            break;
                        case 1:
                            await repository.RestartAsync(Cancel);
                            break;
                        case 2:
                            await repository.FinishNixDatabaseAsync(Cancel);
                            break;
                        default:
                            StorePathName[] there = [.. repository.Store.Index.Paths.All().Select(p => p.Info.Path)];
                            await repository.PublishAsync(Cancel, SyntheticPath.Of($"p{which}", SyntheticTree.File($"{which}"), there.Where((_, i) => (i + which) % 4 == 0)));
                            known.Add(SyntheticPath.NameOf($"p{which}"));
                            break;
                    }

                    using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
                    database.AssertSound();
                    Assert.Empty(database.Lines("SELECT path FROM ValidPaths").Except(repository.Store.Index.Paths.All().Select(p => $"/nix/store/{p.Info.Path}")));
                }

                await repository.FinishNixDatabaseAsync(Cancel);
                using ReadNixDatabase last = await ReadNixDatabase.OpenAsync(repository, Cancel);
                last.AssertIs(repository);
            },
            iter: 8,
            threads: 1);

    private static async Task PublishAsync(CollectionModel model, string name)
    {
        await model.SealAsync(SyntheticPath.Package(name));
        await model.CommitAsync();
    }

    private static string ObjectFile(ObjectHash hash)
    {
        string text = hash.ToString();
        return $"{text[..2]}/{text[2..]}P";
    }

    private static async Task<CatalogEntry> RowAsync(TestRepository repository)
    {
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        return (await reader.FindAsync(repository.Format.ProfilesRoot.Parent.Combine("db").Combine("db.sqlite"), Cancel))!;
    }

    private static async Task AssertGoodAsync(TestRepository repository)
    {
        Assert.Empty(CatalogAudit.Run(repository.RepositoryFolder).Findings);
        await CleanRepository.AssertAsync(repository, Cancel);
    }
}
