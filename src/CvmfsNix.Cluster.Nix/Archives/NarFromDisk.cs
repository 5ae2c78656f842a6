using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Nix.Archives;

public static class NarFromDisk
{
    public static Task<(NarHash Hash, long NarSize)> HashAsync(string path, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public static Task WriteAsync(string path, Stream destination, CancellationToken cancellationToken = default) => throw new NotImplementedException();
}
