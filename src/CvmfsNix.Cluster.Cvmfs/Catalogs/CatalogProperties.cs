using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>Properties of a catalog.</summary>
public sealed record CatalogProperties
{
    /// <summary>Of a root catalog: equals the manifest's revision, or clients stay on the old one. Of a nested one: its own counter.</summary>
    public required ulong Revision { get; init; }

    /// <summary>Unix seconds; must not exceed the manifest's time, and readers take 32 bits.</summary>
    public required long LastModified { get; init; }

    /// <summary>How long clients wait before they look again; root catalogs only. Null leaves it to the client (240 s).</summary>
    public int? TtlSeconds { get; init; }

    /// <summary>Directory a nested catalog holds; the root of the repository (the property is then absent) for the root catalog.</summary>
    public RepositoryPath RootPrefix { get; init; }

    /// <summary>Earlier version. Replicas follow it, so leave it null rather than point at an object that may go.</summary>
    public ObjectHash? PreviousRevision { get; init; }
}
