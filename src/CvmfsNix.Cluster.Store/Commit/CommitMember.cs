namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>A sealed transaction that waits for its commit.</summary>
/// <param name="Transaction">The builder's transaction id.</param>
/// <param name="BundleDigest">The bundle's name in the blob folder.</param>
public sealed record CommitMember(Guid Transaction, string BundleDigest);
