using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>A decided batch.</summary>
/// <param name="Outcomes">One per member, in the order of the batch.</param>
/// <param name="Revision">What is to be appended; null when the batch adds nothing.</param>
public sealed record PreparedCommit(IReadOnlyList<MemberOutcome> Outcomes, CommittedRevision? Revision)
{
    /// <summary>Objects of removed paths that came back because the batch needs them: no builder has brought them, so nobody has counted their copies.</summary>
    public IReadOnlyList<ObjectName> Revived { get; init; } = [];
}
