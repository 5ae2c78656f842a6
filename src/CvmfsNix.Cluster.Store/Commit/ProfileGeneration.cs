using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>A new generation of a profile: the profile now leads to <paramref name="Target"/>.</summary>
public sealed record ProfileGeneration(string Profile, int Generation, StorePathName Target);
