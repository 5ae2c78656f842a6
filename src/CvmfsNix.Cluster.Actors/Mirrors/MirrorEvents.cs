using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>The history of a repository on this mirror, in the mirror's own journal.</summary>
internal interface IMirrorEvent;

/// <summary>The repository was seen for the first time, and this key with it.</summary>
/// <param name="Definition">What its creation fixed.</param>
/// <param name="PublicKeyPem">The master key offered then; a key of the operator's is stronger.</param>
/// <param name="At">When.</param>
internal sealed record MirrorPinned(RepositoryDefinition Definition, string PublicKeyPem, DateTimeOffset At) : IMirrorEvent;

/// <summary>Everything up to an event is in effect, and indexed.</summary>
/// <param name="Sequence">The event's sequence number in the writer's journal.</param>
/// <param name="Visible">The last event among them that changed a named file; 0 = none did.</param>
/// <param name="Revision">The revision served now; 0 = none.</param>
/// <param name="RootHash">Its root hash; empty = none.</param>
/// <param name="Records">Record files by which an index that was lost is made again.</param>
/// <param name="Collected">Objects that may go after a while.</param>
/// <param name="At">When.</param>
internal sealed record MirrorApplied(
    long Sequence, long Visible, ulong Revision, string RootHash, IReadOnlyList<RevisionRecords> Records, IReadOnlyList<ObjectName> Collected, DateTimeOffset At) : IMirrorEvent
{
    /// <summary>Revisions whose record files nobody needs.</summary>
    public RevisionSet Forgotten { get; init; } = RevisionSet.Empty;
}

/// <summary>Collected objects are deleted.</summary>
/// <param name="AppliedBefore">Those of steps taken before this moment.</param>
internal sealed record MirrorDropped(DateTimeOffset AppliedBefore) : IMirrorEvent;

/// <summary>Objects that may be deleted some time after a step.</summary>
internal sealed record CollectedObjects(DateTimeOffset At, IReadOnlyList<ObjectName> Objects);
