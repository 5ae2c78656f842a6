using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

public sealed class LocalNixStore : IPathInfoSource
{
    public LocalNixStore(StoreDirectory directory) => throw new NotImplementedException();

    public Task<IReadOnlyList<PathInfo>> QueryAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken) => throw new NotImplementedException();
}
