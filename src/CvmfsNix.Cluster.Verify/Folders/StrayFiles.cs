using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;

namespace CvmfsNix.Cluster.Verify.Folders;

/// <summary>Things in a repository folder's <c>data/</c> that are no objects: the integrity checker of the stock tools refuses them.</summary>
internal static class StrayFiles
{
    private const string Staging = "txn";

    /// <summary>Looks through the folder.</summary>
    /// <exception cref="RepositoryUnreachableException">It cannot be listed.</exception>
    public static void Check(VerifyRun run, string repositoryFolder, CancellationToken cancellationToken)
    {
        string data = Path.Combine(repositoryFolder, "data");
        try
        {
            foreach (FileSystemInfo entry in new DirectoryInfo(data).EnumerateFileSystemInfos())
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (IsLink(entry) || entry is not DirectoryInfo folder)
                    Report(run, $"data/{entry.Name}", "Only folders are directly in data.");
                else if (entry.Name == Staging)
                    continue;
                else if (entry.Name.Length != 2 || !entry.Name.All(char.IsAsciiHexDigitLower))
                    Report(run, $"data/{entry.Name}", "The folder's name is not two hexadecimal digits.");
                else
                    CheckFolder(run, folder, cancellationToken);
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Then every object is missing, which is said of each.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RepositoryUnreachableException($"{data} cannot be listed: {e.Message}", e);
        }
    }

    private static void CheckFolder(VerifyRun run, DirectoryInfo folder, CancellationToken cancellationToken)
    {
        foreach (FileSystemInfo entry in folder.EnumerateFileSystemInfos())
        {
            cancellationToken.ThrowIfCancellationRequested();
            string path = $"data/{folder.Name}/{entry.Name}";
            if (IsLink(entry) || entry is DirectoryInfo)
                Report(run, path, "Only regular files are in the folders of data.");
            else if (!ObjectName.TryParsePath(path, out _))
                Report(run, path, "The name is not that of an object.");
        }
    }

    private static bool IsLink(FileSystemInfo entry) => entry.LinkTarget is not null;

    private static void Report(VerifyRun run, string path, string message) => run.Findings.Add(VerifyRules.StrayFile, path, message);
}
