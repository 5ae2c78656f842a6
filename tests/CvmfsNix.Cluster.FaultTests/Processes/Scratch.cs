namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>A temporary folder, without symbolic links in its path, removed at the end unless <c>CVMFSNIX_TEST_KEEP</c> is set.</summary>
internal sealed class Scratch : IDisposable
{
    public Scratch(string purpose) => Folder = Directory.CreateTempSubdirectory($"cvmfsnix-{purpose}-").FullName;

    public string Folder { get; }

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose()
    {
        if (Environment.GetEnvironmentVariable("CVMFSNIX_TEST_KEEP") is not null)
            return;
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A process that is still ending wrote into it; the folder is temporary either way.
        }
    }
}
