using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.Signing;

namespace CvmfsNix.Cluster.Store.Keys;

/// <summary>The secrets of a repository: those that sign manifests (and, where it is present, the whitelist), and the one that signs narinfos.</summary>
public sealed record RepositoryKeySet(RepositoryKeys Cvmfs, NixSecretKey Nix);
