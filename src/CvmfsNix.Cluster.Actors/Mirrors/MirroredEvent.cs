using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>An event of a repository's history as far as it concerns a mirror. Nothing of it is believed before signatures say so.</summary>
/// <param name="Sequence">Journal sequence number.</param>
/// <param name="At">When the writer made it.</param>
public sealed record MirroredEvent(long Sequence, DateTimeOffset At)
{
    /// <summary>The manifest from here on; null = it stays.</summary>
    public MirroredManifest? Manifest { get; init; }

    /// <summary>The whitelist from here on; empty = it stays.</summary>
    public ReadOnlyMemory<byte> Whitelist { get; init; }

    /// <summary>Revisions whose record files nobody needs any more.</summary>
    public RevisionSet Forgotten { get; init; } = RevisionSet.Empty;

    /// <summary>Objects nothing needs any more.</summary>
    public IReadOnlyList<ObjectName> Collected { get; init; } = [];
}

/// <summary>A manifest, and what helps to fetch what it needs.</summary>
/// <param name="Revision">The revision.</param>
/// <param name="Signed">Bytes of <c>.cvmfspublished</c>.</param>
/// <param name="StoreCatalog">Catalog of the store directory.</param>
public sealed record MirroredManifest(ulong Revision, ReadOnlyMemory<byte> Signed, ObjectHash StoreCatalog)
{
    /// <summary>Record files of the revision; null when only tags changed.</summary>
    public RevisionRecords? Records { get; init; }

    /// <summary>Bytes of the delta list; empty when it has to be fetched.</summary>
    public ReadOnlyMemory<byte> Delta { get; init; }

    /// <summary>Transactions the revision committed, as far as it is told; for traces.</summary>
    public IReadOnlyList<TransactionId> Transactions { get; init; } = [];

    /// <summary>Objects that this manifest made superfluous.</summary>
    public IReadOnlyList<ObjectName> Superseded { get; init; } = [];
}
