using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Verify;

/// <summary>What is known of the store paths in a repository.</summary>
/// <param name="Directory">The store directory by which the paths are known, <c>/nix/store</c> or <c>/cvmfs/FQRN/…</c>; its place in the repository follows from it.</param>
/// <param name="Infos">NAR hash, size and references by path; paths that are not in the repository do not matter.</param>
public sealed record NarRegistration(StoreDirectory Directory, IReadOnlyDictionary<StorePathName, PathInfo> Infos);
