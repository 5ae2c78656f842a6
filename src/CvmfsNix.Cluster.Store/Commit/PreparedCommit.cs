namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>A decided batch.</summary>
/// <param name="Outcomes">One per member, in the order of the batch.</param>
/// <param name="Revision">What is to be appended; null when the batch adds nothing.</param>
public sealed record PreparedCommit(IReadOnlyList<MemberOutcome> Outcomes, CommittedRevision? Revision);
