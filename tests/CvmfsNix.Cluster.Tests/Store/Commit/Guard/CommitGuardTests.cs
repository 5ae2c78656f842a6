using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Verify.Rules;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit.Guard;

/// <summary>A defect of what builds catalogs is found before the revision can be appended, and named.</summary>
public sealed class CommitGuardTests
{
    private const string NewestFile = "rowid = (SELECT max(rowid) FROM catalog WHERE (mode & 61440) = 32768 AND (flags & 64) = 0)";
    private const string NewestLink = "rowid = (SELECT max(rowid) FROM catalog WHERE (mode & 61440) = 40960)";
    private const string StoreRow = "name = 'store'";
    private const string SomeHash = "0123456789abcdef0123456789abcdef01234567";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, string, string> Defects => new()
    {
        { "an own counter", "store", "UPDATE statistics SET value = value + 1 WHERE counter = 'self_regular'", VerifyRules.SelfCounters },
        { "a counter below", "store", "UPDATE statistics SET value = value + 1 WHERE counter = 'subtree_file_size'", VerifyRules.SubtreeCounters },
        { "a missing counter", "store", "DELETE FROM statistics WHERE counter = 'self_dir'", VerifyRules.SelfCounters },
        { "the revision", "store", "UPDATE properties SET value = '77' WHERE key = 'revision'", VerifyRules.CatalogProperties },
        { "the time", "store", "UPDATE properties SET value = '12' WHERE key = 'last_modified'", VerifyRules.CatalogProperties },
        { "the schema", "store", "UPDATE properties SET value = '1.0' WHERE key = 'schema'", VerifyRules.CatalogSchema },
        { "the prefix", "store", "UPDATE properties SET value = '/nix' WHERE key = 'root_prefix'", VerifyRules.RootPrefix },
        { "a previous revision", "store", $"INSERT INTO properties VALUES ('previous_revision', '{SomeHash}')", VerifyRules.PreviousRevision },
        { "a parent", "store", $"UPDATE catalog SET parent_1 = parent_1 + 1 WHERE {NewestLink}", $"{VerifyRules.ParentKey}|{VerifyRules.DanglingRow}" },
        { "a key", "store", $"UPDATE catalog SET md5path_2 = md5path_2 + 1 WHERE {NewestLink}", VerifyRules.PathKey },
        { "a name", "store", $"UPDATE catalog SET name = 'a/b' WHERE {NewestLink}", VerifyRules.EntryName },
        { "the type in the flags", "store", $"UPDATE catalog SET flags = 1 WHERE {NewestFile}", VerifyRules.EntryType },
        { "a writable file", "store", $"UPDATE catalog SET mode = mode | 128 WHERE {NewestFile}", GuardRules.Delta },
        { "a size", "store", $"UPDATE catalog SET size = size + 1 WHERE {NewestFile}", $"{VerifyRules.SelfCounters}|{GuardRules.Delta}" },
        { "a lost hash", "store", $"UPDATE catalog SET hash = NULL WHERE {NewestFile}", VerifyRules.EntryHash },
        { "another hash", "store", $"UPDATE catalog SET hash = x'{SomeHash}' WHERE {NewestFile}", GuardRules.Delta },
        { "a target", "store", $"UPDATE catalog SET symlink = symlink || 'x', size = size + 1 WHERE {NewestLink}", GuardRules.Delta },
        { "a gap between chunks", "store", "UPDATE chunks SET offset = offset + 1 WHERE rowid = (SELECT max(rowid) FROM chunks)", VerifyRules.ChunkLayout },
        { "a lost row", "store", $"DELETE FROM catalog WHERE {NewestLink}", $"{VerifyRules.SelfCounters}|{GuardRules.Delta}" },
        { "another nested catalog", "store", $"UPDATE nested_catalogs SET sha1 = '{SomeHash}' WHERE rowid = (SELECT max(rowid) FROM nested_catalogs)", GuardRules.Delta },
        { "a lost registration", "store", "DELETE FROM nested_catalogs WHERE rowid = (SELECT max(rowid) FROM nested_catalogs)", VerifyRules.NestedRegistration },
        { "the links of the store directory", "store", $"UPDATE catalog SET hardlinks = hardlinks + 1 WHERE {StoreRow}", VerifyRules.LinkCount },
        { "the size of the store catalog", "root", "UPDATE nested_catalogs SET size = size + 1", VerifyRules.NestedRegistration },
        { "the hash of the store catalog", "root", $"UPDATE nested_catalogs SET sha1 = '{SomeHash}'", VerifyRules.NestedRegistration },
        { "the row of the store directory", "root", $"UPDATE catalog SET mode = 16832 WHERE {StoreRow}", VerifyRules.TransitionRow },
        { "the counters of the root", "root", "UPDATE statistics SET value = value + 1 WHERE counter = 'subtree_dir'", VerifyRules.SubtreeCounters },
        { "the revision of the root", "root", "UPDATE properties SET value = '77' WHERE key = 'revision'", VerifyRules.CatalogProperties },
        { "the time to live", "root", "UPDATE properties SET value = '1' WHERE key = 'TTL'", VerifyRules.CatalogProperties },
    };

    [Theory]
    [MemberData(nameof(Defects))]
    public async Task A_catalog_with_one_thing_wrong_makes_no_revision(string what, string catalog, string sql, string rules)
    {
        Assert.NotEmpty(what);
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("before"), Small("small before"));
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("package"), Small("small"), SyntheticPath.Of("link", SyntheticTree.Symlink("elsewhere"))], Cancel);

        int changed = 0;
        repository.Store.Commits.BeforeStored = file =>
        {
            if (Path.GetFileName(file) == catalog + ".sqlite")
                changed += Execute(file, sql);
        };
        CommitNotValidException e = await Assert.ThrowsAsync<CommitNotValidException>(() => repository.PrepareAsync(Cancel, member));
        Assert.True(changed > 0, "the test changed nothing");
        Assert.True(rules.Split('|').Contains(e.Rule), e.Message);
        Assert.Contains(e.Rule, e.Message);

        // What was built is thrown away: the same batch, built well, is the next revision.
        repository.Store.Commits.BeforeStored = null;
        await repository.CommitAsync((await repository.PrepareAsync(Cancel, member)).Revision!, Cancel);
        Assert.Equal(3UL, repository.Head.Revision);
        Assert.Empty(CatalogAudit.Run(repository.RepositoryFolder).Findings);
    }

    [Fact]
    public async Task A_profile_alone_and_paths_without_catalogs_of_their_own_pass()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nestedMinEntries: 1000);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("inline"), Small("small"));
        CommitMember profile = await repository.SealAsync([], Cancel, profile: "default", profileTarget: SyntheticPath.NameOf("inline"));
        await repository.CommitAsync((await repository.PrepareAsync(Cancel, profile)).Revision!, Cancel);
        Assert.Equal(3UL, repository.Head.Revision);
    }

    [Theory]
    [InlineData("UPDATE statistics SET value = value + 1 WHERE counter = 'self_regular'", VerifyRules.SelfCounters)]
    [InlineData("UPDATE catalog SET flags = 12 WHERE name = 'file000'", VerifyRules.EntryType)]
    [InlineData("DELETE FROM catalog WHERE name = '.cvmfscatalog'", VerifyRules.MarkerMissing)]
    public async Task A_nested_catalog_with_one_thing_wrong_is_found_where_it_is_built(string sql, string rule)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("package");
        await repository.SealAsync([path], Cancel);
        BuiltPath good = new PathCatalogBuilder(repository.Format).Build(await new PathVerifier(repository.Store.Objects, repository.Format).VerifyAsync(path.Upload, Cancel));
        var at = repository.Format.StoreRoot.Combine(path.Path.Value);
        NestedCatalogGuard.Check(good, at);

        string file = Path.Combine(repository.DataFolder, "nested.sqlite");
        await File.WriteAllBytesAsync(file, ObjectCompression.Decompress(good.StoredCatalog!.Value.Span, good.Record.Nested!.Size), Cancel);
        Assert.Equal(1, Execute(file, sql));
        byte[] stored = ObjectCompression.Compress(await File.ReadAllBytesAsync(file, Cancel));
        var bad = new BuiltPath(good.Record with { Nested = good.Record.Nested with { Hash = ObjectHasher.Hash(HashAlgorithmId.Sha1, stored) } }, stored);
        Assert.Equal(rule, Assert.Throws<CommitNotValidException>(() => NestedCatalogGuard.Check(bad, at)).Rule);
    }

    private static SyntheticPath Small(string name) => SyntheticPath.Of(
        name.Replace(' ', '-'),
        SyntheticTree.Directory(("chunked", SyntheticTree.File(new string('c', 100), chunkSize: 40)), ("file", SyntheticTree.File($"content of {name}")), ("link", SyntheticTree.Symlink("file"))));

    // Past the writer's locks, as a defect of the writer itself would be.
    private static int Execute(string file, string sql)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = $"file:{file}?nolock=1", Pooling = false, ForeignKeys = false }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA journal_mode = OFF";
        command.ExecuteNonQuery();
        command.CommandText = sql;
        return command.ExecuteNonQuery();
    }
}
