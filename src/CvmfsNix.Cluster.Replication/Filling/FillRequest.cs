using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Replication.Filling;

/// <summary>A revision that is to be brought here.</summary>
public sealed record FillRequest
{
    /// <summary>The bytes of its <c>.cvmfspublished</c>.</summary>
    public required ReadOnlyMemory<byte> SignedManifest { get; init; }

    /// <summary>The newest whitelist known: the bytes of <c>.cvmfswhitelist</c>.</summary>
    public required ReadOnlyMemory<byte> Whitelist { get; init; }

    /// <summary>
    /// Objects that its delta lists name. A hint only: they are fetched at once, in one go; what is required is derived from the catalogs.
    /// </summary>
    public IReadOnlyList<DeltaObject> Hints { get; init; } = [];

    /// <summary>Catalogs that are known to lie at a path in it. A hint too: such a catalog travels at once, and as the difference to the one that is here.</summary>
    public IReadOnlyList<CatalogHint> Catalogs { get; init; } = [];

    /// <summary>Digests of record files that are needed as well.</summary>
    public IReadOnlyList<string> Records { get; init; } = [];
}

/// <summary>A catalog and where it is said to be mounted.</summary>
public sealed record CatalogHint(RepositoryPath Path, ObjectHash Hash);
