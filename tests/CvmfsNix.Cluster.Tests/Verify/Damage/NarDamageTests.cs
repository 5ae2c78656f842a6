using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Store paths that are not what was registered for them.</summary>
public sealed class NarDamageTests : IAsyncLifetime
{
    private static readonly SyntheticPath Library = SyntheticPath.Package("library", 12);
    private static readonly SyntheticPath Small = SyntheticPath.Of("small", SyntheticTree.Symlink("elsewhere"), [Library.Path]);

    private TestRepository _repository = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _repository = await TestRepository.CreateAsync(Ct);
        await _repository.PublishAsync(Ct, Library, Small);
    }

    public ValueTask DisposeAsync() => _repository.DisposeAsync();

    [Fact]
    public async Task Store_paths_as_registered_are_clean()
    {
        VerifyReport report = await CheckAsync(Library.Upload.Info, Small.Upload.Info);
        Assert.Equal([], report.Findings);
        Assert.Equal(2, report.NarPaths);
        Assert.Equal(0, report.NarUnknown);
    }

    [Fact]
    public async Task A_path_without_registration_is_counted_and_no_finding()
    {
        VerifyReport report = await CheckAsync(Library.Upload.Info);
        Assert.Equal([], report.Findings);
        Assert.Equal(1, report.NarUnknown);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_path_with_other_content_than_registered_is_found(bool nested)
    {
        PathInfo good = (nested ? Library : Small).Upload.Info, other = (nested ? Small : Library).Upload.Info;
        VerifyReport report = await CheckAsync(good with { NarHash = other.NarHash }, other);
        AssertFound(report, VerifyRules.NarHash, good.Path);
    }

    [Fact]
    public async Task A_path_of_another_size_than_registered_is_found()
    {
        PathInfo info = Library.Upload.Info;
        AssertFound(await CheckAsync(info with { NarSize = info.NarSize + 8 }, Small.Upload.Info), VerifyRules.NarHash, info.Path);
    }

    [Fact]
    public async Task A_reference_to_a_path_that_is_not_there_is_found()
    {
        PathInfo info = Small.Upload.Info;
        VerifyReport report = await CheckAsync(Library.Upload.Info, info with { References = [SyntheticPath.NameOf("absent")] });
        AssertFound(report, VerifyRules.Closure, info.Path);
    }

    private static void AssertFound(VerifyReport report, string rule, StorePathName path)
    {
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal(rule, finding.Rule);
        Assert.Equal("/nix/store/" + path.Value, finding.Path);
    }

    private Task<VerifyReport> CheckAsync(params PathInfo[] infos) => RepositoryVerifier.RunAsync(
        new DirectorySource(_repository.RepositoryFolder),
        [_repository.Keys.MasterPublicKeyPem],
        new VerifyOptions { Deep = true, NarHashes = new NarRegistration(_repository.Format.StoreDirectory, infos.ToDictionary(i => i.Path)) },
        null,
        Ct);
}
