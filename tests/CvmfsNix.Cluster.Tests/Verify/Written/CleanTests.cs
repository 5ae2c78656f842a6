using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.TestKit.Written;
using CvmfsNix.Cluster.Tests.Cvmfs;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify.Written;

/// <summary>What we and the stock tools write is clean.</summary>
public sealed class CleanTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(HashAlgorithmId.Sha1)]
    [InlineData(HashAlgorithmId.Shake128)]
    [InlineData(HashAlgorithmId.Rmd160)]
    public async Task What_the_format_library_writes_is_clean(HashAlgorithmId algorithm)
    {
        using FormatRepository repository = FormatRepository.Create(algorithm);
        await AssertCleanAsync(repository.Folder, repository.MasterPublicKeyPem, TimeProvider.System, catalogs: 4);
    }

    [Theory]
    [InlineData(HashAlgorithmId.Sha1)]
    [InlineData(HashAlgorithmId.Shake128)]
    public async Task What_the_store_writes_is_clean(HashAlgorithmId algorithm)
    {
        await using TestRepository repository = await StoreRepository.CreateAsync(Ct, algorithm);
        // Root and store directory of head and trunk-previous, and three store paths of their own.
        await AssertCleanAsync(repository.RepositoryFolder, repository.Keys.MasterPublicKeyPem, TimeProvider.System, catalogs: 7);
    }

    [Fact]
    public Task What_the_stock_tools_write_is_clean() => AssertCleanAsync(Golden.Folder, Golden.PublicKey, new FixedClock(Golden.Now));

    private static async Task AssertCleanAsync(string folder, string masterKey, TimeProvider clock, int? catalogs = null)
    {
        foreach (bool deep in (bool[])[false, true])
        {
            VerifyReport report = await RepositoryVerifier.RunAsync(
                new DirectorySource(folder), [masterKey], new VerifyOptions { Deep = deep, Clock = clock }, null, Ct);
            Assert.Equal([], report.Findings);
            Assert.True(report.Entries > 0);
            if (catalogs is not null)
                Assert.Equal(catalogs.Value, report.Catalogs);
        }
    }
}
