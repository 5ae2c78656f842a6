using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Tests.Cvmfs;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify;

/// <summary>Catalogs made to hurt whoever reads them: the checker ends, and says what is wrong by a rule or that the file cannot be read.</summary>
public sealed class HostileCatalogTests
{
    private const int Mutations = 400;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static byte[] RootCatalog => Golden.Content(new ObjectName(Golden.Manifest().Manifest.RootHash, ObjectKind.Catalog));

    [Fact]
    public void No_bytes_in_a_catalog_make_the_checker_fail()
    {
        byte[] good = RootCatalog;
        int checkedToTheEnd = 0;
        for (int seed = 0; seed < Mutations; seed++)
        {
            var random = new Random(seed);
            byte[] bytes = [.. good];
            for (int i = random.Next(1, 9); i > 0; i--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (random.Next(8) == 0)
                Array.Resize(ref bytes, random.Next(bytes.Length));
            try
            {
                Check(bytes);
                checkedToTheEnd++;
            }
            catch (UnreadableDatabaseException e)
            {
                Assert.Contains(e.Rule, VerifyRules.All);
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
            {
                Assert.Fail($"Seed {seed}: {e}");
            }
        }

        // Most mutations hit content or free space: the rules themselves were run, not only the look at the file.
        Assert.True(checkedToTheEnd > Mutations / 10, $"{checkedToTheEnd} of {Mutations}");
    }

    [Theory]
    [InlineData("a directory that is its own parent", VerifyRules.DanglingRow, "UPDATE catalog SET parent_1=md5path_1, parent_2=md5path_2 WHERE name='files'")]
    [InlineData("directories that are each other's parents", VerifyRules.DanglingRow,
        "UPDATE catalog SET (parent_1, parent_2) = (SELECT md5path_1, md5path_2 FROM catalog WHERE name='links') WHERE name='files'; UPDATE catalog SET (parent_1, parent_2) = (SELECT md5path_1, md5path_2 FROM catalog WHERE name='files') WHERE name='links'")]
    [InlineData("a nested catalog that is the catalog itself", VerifyRules.NestedRegistration, "INSERT INTO nested_catalogs VALUES ('', 'c5d48a9682a295df77277c867e8b1da59c6a5ab9', 39936)")]
    [InlineData("a nested catalog outside", VerifyRules.NestedRegistration, "INSERT INTO nested_catalogs VALUES ('/../../etc', 'c5d48a9682a295df77277c867e8b1da59c6a5ab9', 39936)")]
    public void A_catalog_that_leads_in_circles_is_a_finding(string what, string rule, string sql)
    {
        List<Finding> findings = Check(Edited(sql));
        Assert.True(findings is [{ } only] && only.Rule == rule, $"{what}: {string.Join('\n', findings)}");
    }

    [Fact]
    public void Sizes_that_add_up_to_more_than_a_number_holds_are_a_finding() =>
        Assert.Contains(VerifyRules.CatalogDatabase, Check(Edited("UPDATE catalog SET size=9223372036854775807")).Select(f => f.Rule));

    [Theory]
    [InlineData("ALTER TABLE catalog RENAME TO hidden; CREATE VIEW catalog AS SELECT * FROM hidden")]
    [InlineData("CREATE TRIGGER t AFTER INSERT ON catalog BEGIN DELETE FROM catalog; END")]
    [InlineData("CREATE VIRTUAL TABLE extra USING fts5(x)")]
    [InlineData("CREATE VIRTUAL TABLE extra USING fts5(x); PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql='CREATE  VIRTUAL TABLE extra USING fts5(x)' WHERE name='extra'")]
    public void A_catalog_that_would_run_something_is_refused(string sql) =>
        Assert.Equal(VerifyRules.CatalogDatabase, Assert.Throws<UnreadableDatabaseException>(() => Check(Edited(sql))).Rule);

    [Fact]
    public async Task A_check_that_is_cancelled_ends_as_cancelled()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        using CatalogView view = CatalogView.FromBytes(RootCatalog);
        Assert.Throws<OperationCanceledException>(() => CatalogRules.Check(view, new CatalogContext(RepositoryPath.Root, null), _ => { }, null, cancelled.Token));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_HEAD_is_a_finding()
    {
        using var source = new WithoutHead(new DirectorySource(Golden.Folder));
        VerifyReport report = await RepositoryVerifier.RunAsync(source, [Golden.PublicKey], new VerifyOptions { Deep = true, Clock = new FixedClock(Golden.Now) }, null, Cancel);
        Assert.Equal([(VerifyRules.HttpHead, ".cvmfspublished")], report.Findings.Select(f => (f.Rule, f.Path!)));
    }

    private static List<Finding> Check(byte[] catalog)
    {
        var findings = new List<Finding>();
        using CatalogView view = CatalogView.FromBytes(catalog);
        CatalogRules.Check(view, new CatalogContext(RepositoryPath.Root, null), findings.Add, _ => { }, Cancel);
        return findings;
    }

    private static byte[] Edited(string sql)
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("catalog", RootCatalog);
        using (var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ToString()))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }

        return File.ReadAllBytes(file);
    }

    /// <summary>A repository on a server that has the head of no manifest.</summary>
    private sealed class WithoutHead(IRepositorySource source) : IRepositorySource
    {
        public string Description => source.Description;

        public Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken) => source.OpenAsync(relativePath, cancellationToken);

        public async Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken) =>
            relativePath != ".cvmfspublished" && await source.ExistsAsync(relativePath, cancellationToken);

        public void Dispose() => source.Dispose();
    }
}
