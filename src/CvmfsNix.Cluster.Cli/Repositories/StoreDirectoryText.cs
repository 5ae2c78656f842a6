using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Repositories;

/// <summary>Checks the text of a store directory for a command line.</summary>
internal static class StoreDirectoryText
{
    /// <summary>What is wrong with it, or null.</summary>
    public static string? Problem(string text)
    {
        try
        {
            StoreDirectory.Parse(text);
            return null;
        }
        catch (StorePathFormatException e)
        {
            return e.Message;
        }
    }
}
