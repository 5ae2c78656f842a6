namespace CvmfsNix.Cluster.Store.Layout;

/// <summary>A data folder that a backup is being restored into, or was when that was ended: what lies in it is not all there.</summary>
public static class UnfinishedRestore
{
    /// <summary>As long as this folder is in the data folder, nothing may start on it.</summary>
    public const string FolderName = "restoring";

    /// <summary>Whether the folder is such.</summary>
    public static bool IsIn(string dataDirectory) => Directory.Exists(Path.Combine(dataDirectory, FolderName));
}
