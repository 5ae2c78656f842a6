using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>A profile pointed at a store path.</summary>
/// <param name="Name">Profile.</param>
/// <param name="Generation">Counts from 1.</param>
/// <param name="Target">The store path.</param>
public sealed record ProfileGenerationRecord(string Name, int Generation, StorePathName Target);

/// <summary>A revision as it stands in the journal: its head, its signed manifest and the digests of what it changed.</summary>
/// <param name="Head">Hashes and counters.</param>
/// <param name="SignedManifest">Bytes of <c>.cvmfspublished</c>.</param>
/// <param name="PathInfoDigest">Blob with the path infos of the new paths, or with the records of the removed ones.</param>
/// <param name="DeltaDigest">Blob with the objects the revision added.</param>
/// <param name="Superseded">Catalogs and tag databases that this revision made superfluous.</param>
/// <param name="Profiles">Profile generations this revision set.</param>
public sealed record Revision(
    RevisionHead Head,
    ReadOnlyMemory<byte> SignedManifest,
    string PathInfoDigest,
    string DeltaDigest,
    IReadOnlyList<ObjectName> Superseded,
    IReadOnlyList<ProfileGenerationRecord> Profiles)
{
    /// <summary>Store paths that the revision before had and this one has not; the path-info file names them.</summary>
    public long PathsRemoved { get; init; }

    /// <summary>Generations of profiles that went with them.</summary>
    public IReadOnlyList<ProfileGenerationRecord> DroppedGenerations { get; init; } = [];

    public bool Equals(Revision? other) => other is not null
        && Head == other.Head && SignedManifest.Span.SequenceEqual(other.SignedManifest.Span) && PathInfoDigest == other.PathInfoDigest
        && DeltaDigest == other.DeltaDigest && Superseded.SequenceEqual(other.Superseded) && Profiles.SequenceEqual(other.Profiles)
        && PathsRemoved == other.PathsRemoved && DroppedGenerations.SequenceEqual(other.DroppedGenerations);

    public override int GetHashCode() => HashCode.Combine(Head, PathInfoDigest, DeltaDigest);
}
