namespace CvmfsNix.Cluster.Store.Index;

/// <summary>What a repository takes, as of the indexed revision.</summary>
/// <param name="Objects">Distinct objects.</param>
/// <param name="StoredBytes">Their stored bytes.</param>
/// <param name="Paths">Store paths.</param>
public sealed record RepositoryUsage(long Objects, long StoredBytes, long Paths);
