using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Cvmfs;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify;

/// <summary>What the checker has to say of a repository that is right: nothing.</summary>
internal static class CleanRepository
{
    /// <summary>Checks all of it, every object included.</summary>
    public static Task<VerifyReport> CheckAsync(TestRepository repository, CancellationToken cancellationToken, NarRegistration? registration = null, bool deep = true) => RepositoryVerifier.RunAsync(
        new DirectorySource(repository.RepositoryFolder),
        [repository.Keys.MasterPublicKeyPem],
        new VerifyOptions { Deep = deep, ExpectedName = TestRepository.Name, Clock = new FixedClock(repository.Now), NarHashes = registration },
        null,
        cancellationToken);

    /// <summary>Fails with the findings, if there are any.</summary>
    public static async Task AssertAsync(TestRepository repository, CancellationToken cancellationToken) =>
        Assert.Equal([], (await CheckAsync(repository, cancellationToken)).Findings);
}
