namespace CvmfsNix.Cluster.Tests.Store;

/// <summary>A folder for one test.</summary>
public sealed class StoreFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cvmfsnix-store-").FullName;

    public string At(string relativePath) => System.IO.Path.Combine(Path, relativePath);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
