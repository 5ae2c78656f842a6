using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Tests.Cvmfs;
using CvmfsNix.Cluster.Tests.Cvmfs.Reading;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>The checker on a good repository with one thing made wrong: it says that thing, and nothing else.</summary>
public sealed class DamageTests
{
    // Not damages of a folder's files: a server that answers HEAD wrongly is below, and store paths need a repository of store paths.
    private static readonly string[] WithoutDamage = [VerifyRules.HttpHead, VerifyRules.NarHash, VerifyRules.Closure];

    public static TheoryData<string> Names => [.. RepositoryDamages.ByName.Keys];

    // What nobody names cannot be seen from outside: a folder cannot be listed over HTTP.
    public static TheoryData<string> SampleNames =>
        [.. RepositoryDamages.ByName.Values.Where(d => d.Rule != VerifyRules.StrayFile).GroupBy(d => d.Rule).Select(g => g.First().Name)];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_good_repository_is_clean(bool deep)
    {
        using var repository = new DamageableRepository();
        VerifyReport report = await CheckAsync(repository, deep);
        Assert.Equal([], report.Findings);
        Assert.Equal(DamageableRepository.Name, report.Repository);
        Assert.Equal(7u, report.Revision);
        Assert.Equal(repository.CatalogHash(""), report.RootHash);
        Assert.Equal(4, report.Catalogs);
        Assert.Equal(30, report.Entries);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_good_repository_is_clean_over_HTTP(bool deep)
    {
        using var repository = new DamageableRepository();
        using var server = new FolderServer(repository.Folder);
        Assert.Equal([], (await CheckAsync(repository, deep, new HttpSource(server.Url))).Findings);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_damage_is_found_as_what_it_is_and_nothing_else_is(string name)
    {
        RepositoryDamage damage = RepositoryDamages.ByName[name];
        using var repository = new DamageableRepository();
        Culprit culprit = damage.Make(repository);
        AssertFound(damage, culprit, await CheckAsync(repository, deep: true));

        VerifyReport quick = await CheckAsync(repository, deep: false);
        if (!damage.NeedsDeep)
            AssertFound(damage, culprit, quick);
        else
            Assert.All(quick.Findings, f => Assert.Equal(damage.Rule, f.Rule));
    }

    [Theory]
    [MemberData(nameof(SampleNames))]
    public async Task A_damage_of_every_kind_is_found_over_HTTP(string name)
    {
        RepositoryDamage damage = RepositoryDamages.ByName[name];
        using var repository = new DamageableRepository();
        Culprit culprit = damage.Make(repository);
        using var server = new FolderServer(repository.Folder);
        AssertFound(damage, culprit, await CheckAsync(repository, deep: true, new HttpSource(server.Url)));
    }

    [Theory]
    [InlineData(".cvmfspublished")]
    [InlineData(".cvmfswhitelist")]
    public async Task A_server_that_answers_HEAD_as_if_a_file_were_not_there_is_found(string file)
    {
        using var repository = new DamageableRepository();
        Finding finding = Assert.Single((await CheckAsync(repository, deep: true, new WithoutHead(new DirectorySource(repository.Folder), file))).Findings);
        Assert.Equal((VerifyRules.HttpHead, file), (finding.Rule, finding.Path));
    }

    [Fact]
    public void Every_rule_has_a_damage()
    {
        string[] proven = [.. RepositoryDamages.ByName.Values.Select(d => d.Rule).Concat(WithoutDamage).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(VerifyRules.All, proven);
    }

    [Fact]
    public async Task A_certificate_that_ran_out_is_no_finding()
    {
        using var repository = new DamageableRepository();
        var request = new CertificateRequest("CN=damage", repository.SigningKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 certificate = request.CreateSelfSigned(DamageableRepository.Now.AddDays(-30), DamageableRepository.Now.AddDays(-1));
        byte[] pem = Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
        repository.ReplaceCertificate(ObjectCompression.CompressClassic(pem));
        repository.EditWhitelist(body => string.Concat(body.Split('\n').Take(3).Select(l => l + "\n")) + RepositoryCertificate.Parse(pem).Fingerprint() + "\n");
        Assert.Equal([], (await CheckAsync(repository, deep: true)).Findings);
    }

    [Fact]
    public async Task A_repository_that_cannot_be_read_is_no_finding()
    {
        using var repository = new DamageableRepository();
        using var server = new FolderServer(repository.Folder, path => path.EndsWith('C') ? 503 : null);
        await Assert.ThrowsAsync<RepositoryUnreachableException>(() => CheckAsync(repository, deep: false, new HttpSource(server.Url)));
    }

    private static void AssertFound(RepositoryDamage damage, Culprit culprit, VerifyReport report)
    {
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal(damage.Rule, finding.Rule);
        if (culprit.Path is not null)
            Assert.Equal(culprit.Path, finding.Path);
        if (culprit.Catalog is not null)
            Assert.Equal(culprit.Catalog, finding.Catalog);
        if (culprit.Object is not null)
            Assert.Equal(culprit.Object, finding.Object);
        Assert.False(string.IsNullOrWhiteSpace(finding.Message));
    }

    private static Task<VerifyReport> CheckAsync(DamageableRepository repository, bool deep, IRepositorySource? source = null) => RepositoryVerifier.RunAsync(
        source ?? new DirectorySource(repository.Folder),
        [repository.MasterPublicKeyPem],
        new VerifyOptions { Deep = deep, ExpectedName = DamageableRepository.Name, Clock = new FixedClock(DamageableRepository.Now) },
        null,
        Ct);

    private sealed class WithoutHead(IRepositorySource files, string hidden) : IRepositorySource
    {
        public string Description => files.Description;

        public Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken) => files.OpenAsync(relativePath, cancellationToken);

        public async Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken) =>
            relativePath != hidden && await files.ExistsAsync(relativePath, cancellationToken);

        public void Dispose() => files.Dispose();
    }
}
