namespace CvmfsNix.Cluster.Store.Files;

/// <summary>Directories that survive a power loss.</summary>
public static class DurableDirectory
{
    /// <summary>
    /// Creates <paramref name="path"/> and its missing parents; on return the names of all it created, and of
    /// <paramref name="path"/> itself, are durable. An existing directory's name is made durable too: an earlier process may have
    /// been killed between creating it and its fsync.
    /// </summary>
    /// <exception cref="IOException">Names the directory.</exception>
    public static void Ensure(string path)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string? parent = Path.GetDirectoryName(path);
        if (parent is null)
            return;
        if (!Directory.Exists(parent))
            Ensure(parent);
        if (!Directory.Exists(path))
            Directory.CreateDirectory(path);
        DirectorySync.Sync(parent);
    }

    /// <summary>Removes what lies in <paramref name="path"/>, which is scratch: nothing is synced.</summary>
    public static void Empty(string path)
    {
        foreach (string file in Directory.EnumerateFiles(path))
            File.Delete(file);
        foreach (string directory in Directory.EnumerateDirectories(path))
            Directory.Delete(directory, recursive: true);
    }
}
