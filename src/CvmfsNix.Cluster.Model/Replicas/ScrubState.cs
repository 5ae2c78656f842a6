namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>What a mirror told of reading everything it has again.</summary>
/// <param name="Running">It is under way.</param>
/// <param name="Objects">Objects read so far.</param>
/// <param name="Bytes">Their stored bytes.</param>
/// <param name="Damaged">Objects whose bytes were not what their name says, or that were gone.</param>
/// <param name="Repaired">Of those, fetched again from another copy.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="FinishedAt">When it ended; null = not yet.</param>
/// <param name="Problem">Why it stopped early or could not repair; empty = all is well.</param>
public sealed record ScrubState(
    bool Running, long Objects, long Bytes, long Damaged, long Repaired, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, string Problem);
