using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Verify;

/// <summary>Checks a whole repository, ours, a replica or a stock one, against every rule of the format a reader can see.</summary>
public static class RepositoryVerifier
{
    /// <summary>Checks the repository behind <paramref name="source"/>.</summary>
    /// <param name="source">HTTP or folder.</param>
    /// <param name="masterPublicKeyPems">Public keys of which one must have signed the whitelist.</param>
    /// <param name="options">What is checked.</param>
    /// <param name="progress">Told now and then, from any thread.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <exception cref="RepositoryNotFoundException">No repository is there.</exception>
    /// <exception cref="RepositoryUnreachableException">It could not be checked to the end.</exception>
    public static Task<VerifyReport> RunAsync(
        IRepositorySource source, IReadOnlyList<string> masterPublicKeyPems, VerifyOptions options, IProgress<VerifyProgress>? progress, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
