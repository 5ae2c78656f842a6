using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Replication.Filling;

/// <summary>What a repository folder serves at the moment.</summary>
internal static class ServedState
{
    /// <summary>The served manifest, which was verified and complete when it was put there; null when there is none.</summary>
    public static Manifest? Read(string repositoryFolder)
    {
        try
        {
            return Manifest.ParseSigned(File.ReadAllBytes(Path.Combine(repositoryFolder, RepositoryReader.ManifestFile))).Manifest;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or ManifestFormatException)
        {
            // One that is no good is not of our making, and nothing is concluded from it.
            return null;
        }
    }
}
