using CvmfsNix.Cluster.Nix.PathInfos;

namespace CvmfsNix.Cluster.Store.Index;

/// <summary>A committed path and the revision that brought it.</summary>
public sealed record IndexedPath(PathInfo Info, ulong Revision);
