using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>Reference to a nested catalog.</summary>
/// <param name="Path">Directory the nested catalog holds.</param>
/// <param name="Hash">Object of kind <see cref="Objects.ObjectKind.Catalog"/>.</param>
/// <param name="Size">Bytes of the uncompressed SQLite file; 0 where unknown.</param>
public sealed record NestedCatalog(RepositoryPath Path, ObjectHash Hash, long Size);
