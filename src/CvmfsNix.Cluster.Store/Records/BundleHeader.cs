using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>What a transaction asks for besides its paths.</summary>
/// <param name="Repository">Fully qualified repository name; a bundle is refused by any other.</param>
/// <param name="Transaction">The builder's transaction id.</param>
/// <param name="Conflict">For paths that exist with other content.</param>
/// <param name="Profile">Profile to point at <paramref name="ProfileTarget"/>; null = none.</param>
/// <param name="ProfileTarget">A path of this transaction or of the repository.</param>
public sealed record BundleHeader(string Repository, Guid Transaction, ConflictPolicy Conflict, string? Profile, StorePathName? ProfileTarget)
{
    /// <summary>Paths that were taken back are published again on purpose.</summary>
    public bool DespiteWithdrawal { get; init; }

    /// <summary>Paths that are there and get the signatures of these registrations; of one that is not there, or has another content, nothing is taken.</summary>
    public IReadOnlyList<PathInfo> Signed { get; init; } = [];
}
