using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

public sealed class RegistrationFileSource : IPathInfoSource
{
    public static Task<RegistrationFileSource> LoadAsync(string file, StoreDirectory directory, CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<IReadOnlyList<PathInfo>> QueryAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken) => throw new NotImplementedException();
}
