namespace CvmfsNix.Cluster.Replication.Scrubbing;

/// <summary>What a scrub found and did.</summary>
/// <param name="Items">Objects and record files that were read.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Damaged">Names of those that were not what their names say, or could not be read; they were removed.</param>
/// <param name="Missing">Names of those that the served revision needs and that were not here.</param>
/// <param name="Repaired">Which of both came from another copy.</param>
/// <param name="Problem">Why not all of them did; null when nothing is left to do.</param>
public sealed record ScrubResult(long Items, long Bytes, IReadOnlyList<string> Damaged, IReadOnlyList<string> Missing, IReadOnlyList<string> Repaired, string? Problem);

/// <summary>How far a scrub has come.</summary>
/// <param name="Items">Items read.</param>
/// <param name="Bytes">Bytes read.</param>
/// <param name="Damaged">Damaged ones among them.</param>
public readonly record struct ScrubProgress(long Items, long Bytes, int Damaged);
