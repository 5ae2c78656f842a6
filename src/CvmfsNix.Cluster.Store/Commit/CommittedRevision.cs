using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>A revision whose every object and record file is durable; it becomes history with the append of its event.</summary>
/// <param name="Head">The repository after it.</param>
/// <param name="SignedManifest">The bytes of <c>.cvmfspublished</c>.</param>
/// <param name="PathInfoDigest">Blob with the registrations of its new paths and the records of removed ones.</param>
/// <param name="DeltaDigest">Blob with the objects and contents it added.</param>
/// <param name="Superseded">Catalogs and tag databases that no served revision and no tag needs once this one has taken over; to be collected after the grace time.</param>
/// <param name="Profiles">Profile generations it adds, in order.</param>
public sealed record CommittedRevision(
    RepositoryHead Head,
    ReadOnlyMemory<byte> SignedManifest,
    string PathInfoDigest,
    string DeltaDigest,
    IReadOnlyList<ObjectName> Superseded,
    IReadOnlyList<ProfileGeneration> Profiles)
{
    /// <summary>Store paths that the revision before had and this one has not; the path-info file holds their records.</summary>
    public long PathsRemoved { get; init; }

    /// <summary>Objects that the root catalog names and that were made with it. They are no part of the delta: a later revision need not have them.</summary>
    public IReadOnlyList<ObjectName> Made { get; init; } = [];

    /// <summary>Stored bytes of its root catalog and the catalog of the store directory; known only where it was made.</summary>
    public long CatalogBytes { get; init; }

    /// <summary>Generations of profiles that went with them.</summary>
    public IReadOnlyList<ProfileGeneration> DroppedGenerations { get; init; } = [];
}
