namespace CvmfsNix.Cluster.Nix.Files;

public static class DiskTree
{
    public static IReadOnlyList<DiskEntry> List(ReadOnlySpan<byte> directoryPath) => throw new NotImplementedException();

    public static DiskEntry Stat(ReadOnlySpan<byte> path) => throw new NotImplementedException();

    public static Stream OpenRead(ReadOnlySpan<byte> path) => throw new NotImplementedException();
}
