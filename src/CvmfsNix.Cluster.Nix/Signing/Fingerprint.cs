using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.Signing;

public static class Fingerprint
{
    public static string Of(StoreDirectory directory, PathInfo info) => throw new NotImplementedException();
}
