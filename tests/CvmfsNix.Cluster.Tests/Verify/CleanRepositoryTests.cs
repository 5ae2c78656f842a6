using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Cvmfs;
using CvmfsNix.Cluster.Tests.Cvmfs.Reading;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify;

/// <summary>Repositories that are right: the stock tools', and ours in every shape. The checker finds nothing, and has looked at everything.</summary>
public sealed class CleanRepositoryTests
{
    private static readonly SyntheticTree ManyKinds = SyntheticTree.Directory(
        ("big", SyntheticTree.File(new string('a', 5000) + new string('b', 5000), chunkSize: 4096)),
        ("deep", SyntheticTree.Directory(("er", SyntheticTree.Directory(("empty-directory", SyntheticTree.Directory()), ("x", SyntheticTree.File("x", executable: true)))))),
        ("empty", SyntheticTree.File("")),
        ("link", SyntheticTree.Symlink("deep/er")),
        ("raw", SyntheticTree.File("stored as it is", compressed: false)));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, null)]
    [InlineData(true, null)]
    [InlineData(true, "v1.0")]
    [InlineData(true, "v2.0")]
    public async Task A_stock_repository_is_clean(bool deep, string? tag)
    {
        VerifyReport report = await CheckGoldenAsync(new DirectorySource(Golden.Folder), deep, tag);
        Assert.Equal([], report.Findings);
        Assert.Equal(Golden.Name, report.Repository);
        Assert.True(report.Catalogs > 1 && report.Entries > 100 && report.Objects > report.Catalogs && report.Bytes > 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stock_repository_is_clean_over_HTTP(bool deep)
    {
        using var server = new FolderServer(Golden.Folder);
        VerifyReport overHttp = await CheckGoldenAsync(new HttpSource(server.Url), deep, null);
        VerifyReport local = await CheckGoldenAsync(new DirectorySource(Golden.Folder), deep, null);
        Assert.Equal([], overHttp.Findings);
        Assert.Equal((local.Revision, local.RootHash, local.Catalogs, local.Entries, local.Objects), (overHttp.Revision, overHttp.RootHash, overHttp.Catalogs, overHttp.Entries, overHttp.Objects));
    }

    [Theory]
    [InlineData(HashAlgorithmId.Sha1, "/nix/store")]
    [InlineData(HashAlgorithmId.Shake128, "/nix/store")]
    [InlineData(HashAlgorithmId.Sha1, "/cvmfs/test.example.org/store")]
    public async Task Our_own_repository_is_clean_at_every_revision(HashAlgorithmId algorithm, string storeDirectory)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, algorithm, storeDirectory);
        Assert.Equal([], (await CheckAsync(repository)).Findings);

        SyntheticPath kinds = SyntheticPath.Of("kinds", ManyKinds, algorithm: algorithm);
        SyntheticPath file = SyntheticPath.Of("file", SyntheticTree.File("just a file"), [kinds.Path], algorithm);
        SyntheticPath nested = SyntheticPath.Package("nested", files: 40, references: [kinds.Path, file.Path], algorithm: algorithm);
        SyntheticPath link = SyntheticPath.Of("link", SyntheticTree.Symlink("/nowhere"), algorithm: algorithm);
        await repository.PublishAsync(Cancel, kinds, file);
        await repository.PublishAsync(Cancel, nested, link);
        CommitMember profile = await repository.SealAsync([], Cancel, profile: "default", profileTarget: kinds.Path);
        await repository.CommitAsync((await repository.PrepareAsync(Cancel, profile)).Revision!, Cancel);

        VerifyReport report = await CheckAsync(repository, NarsOf(repository, kinds, file, nested, link));
        CatalogAudit audit = CatalogAudit.Run(repository.RepositoryFolder);
        Assert.Equal([], report.Findings);
        Assert.Empty(audit.Findings);
        Assert.Equal((4, 0), (report.NarPaths, report.NarUnknown));
        Assert.Equal(repository.Head.Revision, report.Revision);
        Assert.True(report.Catalogs >= audit.Catalogs && report.Entries >= audit.Entries && report.Objects >= audit.Objects.Count);
    }

    [Fact]
    public async Task A_store_path_that_is_not_what_was_registered_is_found()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath good = SyntheticPath.Package("good"), other = SyntheticPath.Package("other", references: [good.Path]), unknown = SyntheticPath.Package("unknown");
        await repository.PublishAsync(Cancel, good, other, unknown);
        PathInfo wrong = good.Upload.Info with { NarHash = other.Upload.Info.NarHash };
        PathInfo dangling = other.Upload.Info with { References = [good.Path, SyntheticPath.NameOf("missing")] };
        var registration = new NarRegistration(repository.Format.StoreDirectory, new[] { wrong, dangling }.ToDictionary(i => i.Path));

        VerifyReport report = await CheckAsync(repository, registration);
        Assert.Equal((2, 1), (report.NarPaths, report.NarUnknown));
        Assert.Equal(
            [(VerifyRules.Closure, $"/nix/store/{other.Path}"), (VerifyRules.NarHash, $"/nix/store/{good.Path}")],
            report.Findings.Select(f => (f.Rule, f.Path!)).Order());
    }

    [Fact]
    public async Task A_damaged_object_is_one_finding_although_a_NAR_is_made_of_it()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("package");
        await repository.PublishAsync(Cancel, path);
        ObjectName name = path.Objects.Keys.Order().First(n => n.Kind == ObjectKind.Data);
        string file = Path.Combine(repository.RepositoryFolder, name.RelativePath);
        File.Delete(file);
        File.WriteAllBytes(file, ObjectCompression.Compress("other content"u8));

        foreach (bool deep in new[] { true, false })
        {
            Finding finding = Assert.Single((await CheckAsync(repository, NarsOf(repository, path), deep)).Findings);
            Assert.Equal((VerifyRules.ObjectDigest, name.ToString()), (finding.Rule, finding.Object));
        }
    }

    private static NarRegistration NarsOf(TestRepository repository, params SyntheticPath[] paths) =>
        new(repository.Format.StoreDirectory, paths.ToDictionary(p => p.Path, p => p.Upload.Info));

    private static Task<VerifyReport> CheckAsync(TestRepository repository, NarRegistration? registration = null, bool deep = true) =>
        CleanRepository.CheckAsync(repository, Cancel, registration, deep);

    private static Task<VerifyReport> CheckGoldenAsync(IRepositorySource source, bool deep, string? tag) => RepositoryVerifier.RunAsync(
        source, [Golden.PublicKey], new VerifyOptions { Deep = deep, Tag = tag, ExpectedName = Golden.Name, Clock = new FixedClock(Golden.Now) }, null, Cancel);
}
