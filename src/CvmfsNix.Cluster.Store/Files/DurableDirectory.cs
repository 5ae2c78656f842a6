using System.Collections.Concurrent;

namespace CvmfsNix.Cluster.Store.Files;

/// <summary>Directories that survive a power loss.</summary>
public static class DurableDirectory
{
    private const int AccessDenied = 13;

    // Directories whose names, and those of all above them, this process has made durable: each costs one fsync a process.
    private static readonly ConcurrentDictionary<string, bool> Durable = new(StringComparer.Ordinal);

    /// <summary>
    /// Creates <paramref name="path"/> and its missing parents; on return the names of all directories from the root down to
    /// <paramref name="path"/> are durable. Those of existing directories are made durable too: an earlier process may have been killed
    /// between creating one, at whatever depth, and its fsync.
    /// </summary>
    /// <exception cref="IOException">Names the directory.</exception>
    public static void Ensure(string path)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string? parent = Path.GetDirectoryName(path);
        if (parent is null)
            return;
        EnsureAbove(parent);
        Make(path, parent, Directory.Exists(path));
    }

    /// <summary>Removes what lies in <paramref name="path"/>, which is scratch: nothing is synced.</summary>
    public static void Empty(string path)
    {
        foreach (string file in Directory.EnumerateFiles(path))
            File.Delete(file);
        foreach (string directory in Directory.EnumerateDirectories(path))
            Directory.Delete(directory, recursive: true);
    }

    private static void EnsureAbove(string path)
    {
        bool exists = Directory.Exists(path);
        string? parent = Path.GetDirectoryName(path);
        if (parent is null || (exists && Durable.ContainsKey(path)))
            return;
        EnsureAbove(parent);
        Make(path, parent, exists);
        Durable.TryAdd(path, true);
    }

    private static void Make(string path, string parent, bool exists)
    {
        if (!exists)
            Directory.CreateDirectory(path);
        try
        {
            DirectorySync.Sync(parent);
        }
        catch (IOException e) when (exists && e.HResult == AccessDenied)
        {
            // Above a service's own folders lie the system's and the administrator's, which it need not be able to read, and never made.
        }
    }
}
