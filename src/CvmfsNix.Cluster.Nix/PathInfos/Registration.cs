using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

public static class Registration
{
    public static IAsyncEnumerable<PathInfo> ReadAsync(Stream registration, StoreDirectory directory, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public static void Write(TextWriter destination, StoreDirectory directory, IEnumerable<PathInfo> infos) => throw new NotImplementedException();
}
