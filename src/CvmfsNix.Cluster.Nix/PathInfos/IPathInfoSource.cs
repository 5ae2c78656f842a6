using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>Somewhere path infos come from: a local store, a registration file.</summary>
public interface IPathInfoSource
{
    /// <summary>
    /// The infos of <paramref name="roots"/>, or of everything they refer to as well. Every path once; references come
    /// before the paths that refer to them, and where that leaves a choice the ordinal order of the base names decides.
    /// Without <paramref name="closure"/> the same order holds among the roots.
    /// </summary>
    /// <exception cref="PathInfoSourceException">A path is not known, or the source cannot be asked; the message says what to do.</exception>
    Task<IReadOnlyList<PathInfo>> QueryAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken);
}
