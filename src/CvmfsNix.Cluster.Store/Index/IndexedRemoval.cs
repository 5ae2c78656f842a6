namespace CvmfsNix.Cluster.Store.Index;

/// <summary>A revision that removed paths.</summary>
/// <param name="Revision">The revision.</param>
/// <param name="Digest">The record file with the records of its removed paths.</param>
/// <param name="IndexedAt">When this store took notice of it; a lost index takes notice again.</param>
public sealed record IndexedRemoval(ulong Revision, string Digest, DateTimeOffset IndexedAt);
