using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Verify;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

public sealed class RemovalTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(HashAlgorithmId.Sha1)]
    [InlineData(HashAlgorithmId.Shake128)]
    public async Task A_revision_without_some_paths_is_as_good_as_one_that_never_had_them(HashAlgorithmId algorithm)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, algorithm);
        await repository.PublishAsync(Cancel, Small("inline", algorithm), SyntheticPath.Package("nested", algorithm: algorithm), SyntheticPath.Package("stays", algorithm: algorithm));
        await repository.PublishAsync(Cancel, SyntheticPath.Of("file", SyntheticTree.File("one file"), algorithm: algorithm), SyntheticPath.Of("link", SyntheticTree.Symlink("/x"), algorithm: algorithm));

        long changes = repository.Store.Index.Paths.Changes;
        CommittedRevision? removal = await repository.RemoveAsync(Cancel, Name("inline"), Name("nested"), Name("link"), Name("never-there"));

        Assert.Equal(3, removal!.PathsRemoved);
        // Whoever keeps what it found in the index looks again.
        Assert.Equal(changes + 1, repository.Store.Index.Paths.Changes);
        Assert.Equal(2, repository.Head.Paths);
        Assert.Null(repository.Store.Index.Paths.Find(Name("nested")));
        Assert.Equal(2, repository.Store.Usage.Paths);
        await AssertGoodAsync(repository);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        Assert.Null(await reader.FindAsync(PathOf(repository, "nested"), Cancel));
        Assert.NotNull(await reader.FindAsync(PathOf(repository, "stays").Combine("share"), Cancel));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("nested", algorithm: algorithm), Small("more", algorithm));
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task What_stays_is_entry_by_entry_what_it_was()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, [.. Enumerable.Range(0, 12).Select(i => i % 3 == 0 ? SyntheticPath.Package($"p{i}") : Small($"p{i}"))]);
        Dictionary<string, string> before = await ListAsync();

        StorePathName[] gone = [.. Enumerable.Range(0, 12).Where(i => i % 2 == 0).Select(i => Name($"p{i}"))];
        await repository.RemoveAsync(Cancel, gone);

        Dictionary<string, string> after = await ListAsync();
        Assert.Equal(before.Where(e => !gone.Any(g => e.Key.Contains(g.Value, StringComparison.Ordinal))).OrderBy(e => e.Key, StringComparer.Ordinal), after.OrderBy(e => e.Key, StringComparer.Ordinal));
        Assert.True(after.Count > 6 * 4);

        async Task<Dictionary<string, string>> ListAsync()
        {
            await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
            var entries = new Dictionary<string, string>();
            await foreach (CatalogEntry entry in reader.WalkAsync(repository.Format.StoreRoot, cancellationToken: Cancel))
            {
                if (entry.Path != repository.Format.StoreRoot)
                    entries.Add(entry.Path.ToString(), $"{entry.Mode} {entry.Size} {entry.LinkCount} {entry.Hash} {entry.Chunks.Count}");
            }

            return entries;
        }
    }

    [Fact]
    public async Task What_a_remaining_path_needs_stays()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("c"), SyntheticPath.Package("b", references: [Name("c")]), SyntheticPath.Package("a", references: [Name("b"), Name("a")]));

        Assert.Null(await repository.RemoveAsync(Cancel, Name("b"), Name("c")));
        Assert.Equal(1, (await repository.RemoveAsync(Cancel, Name("a"), Name("c")))!.PathsRemoved);
        Assert.NotNull(repository.Store.Index.Paths.Find(Name("c")));
        await Assert.ThrowsAsync<ArgumentException>(() => repository.Store.PrepareRemovalAsync(repository.Head, [Name("c")], keepNeeded: false, [], repository.Keys, repository.Now, Cancel));
        Assert.Equal(2, (await repository.RemoveAsync(Cancel, Name("b"), Name("c")))!.PathsRemoved);
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task Where_a_profile_leads_stays_unless_its_generation_is_given_up()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("one"), SyntheticPath.Package("two"));
        foreach (string target in (string[])["one", "two"])
        {
            CommitMember member = await repository.SealAsync([], Cancel, profile: "default", profileTarget: Name(target));
            await repository.CommitAsync((await repository.PrepareAsync(Cancel, member)).Revision!, Cancel);
        }

        Assert.Null(await repository.RemoveAsync(Cancel, Name("one"), Name("two")));
        ProfileGeneration[] old = [new("default", 1, Name("one")), new("default", 2, Name("two"))];
        CommittedRevision removal = (await repository.Store.PrepareRemovalAsync(repository.Head, [Name("one"), Name("two")], keepNeeded: true, old, repository.Keys, repository.Now, Cancel))!;
        Assert.Equal([old[0]], removal.DroppedGenerations);
        Assert.Equal(1, removal.PathsRemoved);
        await repository.CommitAsync(removal, Cancel);
        await AssertGoodAsync(repository);

        // Taken back: the profile loses what it is at.
        CommittedRevision withdrawal = (await repository.Store.PrepareRemovalAsync(repository.Head, [Name("two")], keepNeeded: false, [], repository.Keys, repository.Now, Cancel))!;
        Assert.Equal([old[1]], withdrawal.DroppedGenerations);
        await repository.CommitAsync(withdrawal, Cancel);
        await AssertGoodAsync(repository);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        Assert.Null(await reader.FindAsync(repository.Format.ProfilesRoot.Combine("default"), Cancel));
    }

    [Fact]
    public async Task A_profile_whose_generation_is_taken_back_goes_to_the_one_before()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("one"), SyntheticPath.Package("two"));
        foreach (string target in (string[])["one", "two"])
        {
            CommitMember member = await repository.SealAsync([], Cancel, profile: "default", profileTarget: Name(target));
            await repository.CommitAsync((await repository.PrepareAsync(Cancel, member)).Revision!, Cancel);
        }

        await repository.CommitAsync((await repository.Store.PrepareRemovalAsync(repository.Head, [Name("two")], keepNeeded: false, [], repository.Keys, repository.Now, Cancel))!, Cancel);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        CatalogEntry profile = (await reader.FindAsync(repository.Format.ProfilesRoot.Combine("default"), Cancel))!;
        Assert.Equal("default-1-link", System.Text.Encoding.UTF8.GetString(profile.SymlinkTarget.Span));
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task A_publish_that_needs_a_removed_path_brings_it_back_with_all_it_needs()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("deep"), Small("lib", references: [Name("deep")]), SyntheticPath.Package("other"));
        // The builder was told that both are there.
        CommitMember late = await repository.SealAsync([SyntheticPath.Package("app", references: [Name("lib")])], Cancel);
        CommittedRevision removal = (await repository.RemoveAsync(Cancel, Name("lib"), Name("deep"), Name("other")))!;
        var rules = new CommitRules(new Dictionary<StorePathName, string>(), [removal.PathInfoDigest]);

        PreparedCommit prepared = await repository.Store.PrepareAsync(repository.Head, [late], rules, repository.Keys, repository.Now, Cancel);

        Assert.Equal(MemberStatus.Committed, Assert.Single(prepared.Outcomes).Status);
        await repository.CommitAsync(prepared.Revision!, Cancel);
        Assert.Equal(3, repository.Head.Paths);
        Assert.NotNull(repository.Store.Index.Paths.Find(Name("deep")));
        Assert.Null(repository.Store.Index.Paths.Find(Name("other")));
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task What_cannot_be_had_back_is_missing()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("lib"));
        CommitMember late = await repository.SealAsync([SyntheticPath.Package("app", references: [Name("lib")])], Cancel);
        CommittedRevision removal = (await repository.RemoveAsync(Cancel, Name("lib")))!;

        Assert.Equal(RejectionCodes.MissingReference, (await repository.PrepareAsync(Cancel, late)).Outcomes[0].Code);
        var withdrawn = new CommitRules(new Dictionary<StorePathName, string> { [Name("lib")] = "bad" }, [removal.PathInfoDigest]);
        PreparedCommit prepared = await repository.Store.PrepareAsync(repository.Head, [late], withdrawn, repository.Keys, repository.Now, Cancel);
        Assert.Equal(RejectionCodes.MissingReference, prepared.Outcomes[0].Code);
    }

    [Fact]
    public async Task What_was_taken_back_is_refused_and_named()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("lib"), SyntheticPath.Package("x")], Cancel);
        var rules = new CommitRules(new Dictionary<StorePathName, string> { [Name("lib")] = "CVE-1" }, []);

        PreparedCommit prepared = await repository.Store.PrepareAsync(repository.Head, [member], rules, repository.Keys, repository.Now, Cancel);

        Assert.Null(prepared.Revision);
        Assert.Equal((RejectionCodes.PathWithdrawn, Name("lib").Value), (prepared.Outcomes[0].Code, prepared.Outcomes[0].What));
        Assert.Contains("CVE-1", prepared.Outcomes[0].Message);
    }

    [Theory]
    [InlineData("DELETE FROM catalog WHERE rowid = (SELECT max(rowid) FROM catalog)")]
    [InlineData("UPDATE catalog SET hash = x'0102030405060708090a0b0c0d0e0f1011121314' WHERE rowid = (SELECT max(rowid) FROM catalog WHERE hash IS NOT NULL)")]
    [InlineData("UPDATE statistics SET value = value + 1 WHERE counter = 'self_regular'")]
    [InlineData("UPDATE statistics SET value = value - 1 WHERE counter = 'subtree_dir'")]
    [InlineData("UPDATE catalog SET hardlinks = hardlinks + 1 WHERE name = 'store'")]
    [InlineData("DELETE FROM nested_catalogs")]
    [InlineData("UPDATE catalog SET mtime = mtime + 1 WHERE rowid = (SELECT max(rowid) FROM catalog)")]
    [InlineData("UPDATE catalog SET xattr = x'00' WHERE rowid = (SELECT max(rowid) FROM catalog)")]
    [InlineData("UPDATE chunks SET offset = offset + 1 WHERE rowid = (SELECT max(rowid) FROM chunks)")]
    [InlineData("UPDATE properties SET value = value + 1 WHERE key = 'revision'")]
    [InlineData("INSERT INTO nested_catalogs VALUES ('/x', '0102030405060708090a0b0c0d0e0f1011121314', 1)")]
    public async Task A_damaged_removal_is_not_handed_out(string damage)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, Small("inline"), SyntheticPath.Package("nested"), SyntheticPath.Package("stays"), Small("also-stays"), Small("goes-first"));
        // What was there before is then known from the removal and the publish before, and not read again.
        Assert.Equal(1, (await repository.RemoveAsync(Cancel, Name("goes-first")))!.PathsRemoved);
        await repository.PublishAsync(Cancel, Small("comes-late"), SyntheticPath.Package("nested-late"));
        repository.Store.Commits.BeforeStored = file =>
        {
            if (Path.GetFileName(file) != "store.sqlite")
                return;
            // Past the lock that its writer holds.
            using var connection = new SqliteConnection($"Data Source=file:{file}?nolock=1;Pooling=False");
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA journal_mode=OFF; " + damage;
            Assert.True(command.ExecuteNonQuery() > 0);
        };
        await Assert.ThrowsAsync<CommitNotValidException>(() => repository.RemoveAsync(Cancel, Name("inline"), Name("nested")));
        repository.Store.Commits.BeforeStored = null;
        Assert.NotNull(await repository.RemoveAsync(Cancel, Name("inline"), Name("nested")));
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task A_row_that_changed_beside_a_publish_is_seen_by_the_next_removal_and_stands_in_the_way_of_no_later_one()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, Small("a"), Small("b"), Small("c"), Small("stays"));
        Assert.NotNull(await repository.RemoveAsync(Cancel, Name("a")));
        repository.Store.Commits.BeforeStored = file =>
        {
            if (Path.GetFileName(file) != "store.sqlite")
                return;
            using var connection = new SqliteConnection($"Data Source=file:{file}?nolock=1;Pooling=False");
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA journal_mode=OFF; UPDATE catalog SET mtime = 12345 WHERE rowid = (SELECT min(rowid) FROM catalog WHERE name LIKE '%stays')";
            Assert.Equal(1, command.ExecuteNonQuery());
        };
        await repository.PublishAsync(Cancel, Small("beside"));

        // Its writer may have put back what it remembers of the row; it is changed once more.
        await Assert.ThrowsAsync<CommitNotValidException>(() => repository.RemoveAsync(Cancel, Name("b")));
        repository.Store.Commits.BeforeStored = null;
        Assert.NotNull(await repository.RemoveAsync(Cancel, Name("b")));
    }

    [Fact]
    public async Task An_index_made_anew_knows_what_was_removed()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"), SyntheticPath.Package("b"));
        await repository.RemoveAsync(Cancel, Name("a"));
        await repository.RestartAsync(Cancel, () => File.Delete(repository.Store.Layout.IndexFile(TestRepository.Name)));
        foreach (CommittedRevision revision in repository.Revisions)
            await repository.Store.ReindexAsync(revision, Cancel);
        Assert.Equal([Name("b")], repository.Store.Index.Paths.All().Select(p => p.Info.Path));
        Assert.Equal(1, repository.Store.Usage.Paths);
        Assert.Equal(repository.Revisions[^1].PathInfoDigest, Assert.Single(repository.Store.Index.Removals).Digest);
        PathRecord record = Assert.Single(PathInfoFile.ReadRemoved(repository.Store.Blobs.OpenRead(repository.Revisions[^1].PathInfoDigest)!, HashAlgorithmId.Sha1, "x"));
        Assert.Equal(Name("a"), record.Info.Path);
        Assert.Equal(12, record.Objects.Count);
    }

    private static StorePathName Name(string name) => SyntheticPath.NameOf(name);

    private static RepositoryPath PathOf(TestRepository repository, string name) => repository.Format.StoreRoot.Combine(Name(name).Value);

    private static SyntheticPath Small(string name, HashAlgorithmId algorithm = HashAlgorithmId.Sha1, IEnumerable<StorePathName>? references = null) => SyntheticPath.Of(
        name,
        SyntheticTree.Directory(("bin", SyntheticTree.Directory(("x", SyntheticTree.File($"{name} x", executable: true)))), ("chunks", SyntheticTree.File(new string('c', 300) + name, chunkSize: 200)), ("l", SyntheticTree.Symlink("bin"))),
        references,
        algorithm);

    private static async Task AssertGoodAsync(TestRepository repository)
    {
        Assert.Empty(CatalogAudit.Run(repository.RepositoryFolder).Findings);
        await CleanRepository.AssertAsync(repository, Cancel);
    }
}
