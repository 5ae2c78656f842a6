namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>A source failed, or sent something else than it was asked for. What was asked of it is asked elsewhere, or again.</summary>
/// <param name="Repository">Fully qualified name of what was fetched.</param>
/// <param name="Url">The source.</param>
/// <param name="Problem">What happened, for people.</param>
public sealed record SourceTrouble(string Repository, Uri Url, string Problem);
