using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>Where a catalog stands.</summary>
/// <param name="Path">The directory it is mounted at; the root for a root catalog.</param>
/// <param name="Hash">Its name, for the findings; null for one that has none yet.</param>
public sealed record CatalogContext(RepositoryPath Path, ObjectHash? Hash);
