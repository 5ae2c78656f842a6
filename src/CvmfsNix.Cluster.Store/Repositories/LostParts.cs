using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Layout;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>
/// A repository's folders of which somebody removed the objects or the record files, and left the rest: it says of itself that it has served
/// events, and has nothing of them. It must be neither served nor counted as a copy, and refills like an empty one.
/// </summary>
public static class LostParts
{
    /// <summary>What the folder of the archive is called afterwards.</summary>
    internal const string AsideSuffix = ".before";

    private const string First = "00";
    private const string ManifestFile = ".cvmfspublished";

    /// <summary>Whether the repository's folders are such.</summary>
    public static bool Are(StoreLayout layout, string repository)
    {
        ArgumentNullException.ThrowIfNull(layout);
        string applied = layout.AppliedFolder(repository);
        bool whole = Directory.Exists(Path.Combine(layout.RepositoryFolder(repository), "data", First))
            && Directory.Exists(Path.Combine(layout.BlobsFolder(repository), First));
        return !whole && Directory.Exists(applied) && Directory.EnumerateFiles(applied).Any();
    }

    /// <summary>
    /// Makes such a repository an empty one: it is no longer served, and follows the journal from the start. What it had archived of the journal
    /// is kept aside, in case the journal is lost as well.
    /// </summary>
    /// <exception cref="IOException">Names the file or folder.</exception>
    public static void Forget(StoreLayout layout, string repository)
    {
        ArgumentNullException.ThrowIfNull(layout);
        string folder = layout.RepositoryFolder(repository);
        if (Directory.Exists(folder))
        {
            File.Delete(Path.Combine(folder, ManifestFile));
            DirectorySync.Sync(folder);
        }

        foreach (string suffix in (ReadOnlySpan<string>)["", "-wal", "-shm"])
            File.Delete(layout.IndexFile(repository) + suffix);
        string applied = layout.AppliedFolder(repository);
        string aside = applied + AsideSuffix;
        if (Directory.Exists(aside))
            Directory.Delete(aside, recursive: true);
        // Last: it is what tells that something was lost.
        Directory.Move(applied, aside);
        DirectorySync.Sync(layout.MetaFolder(repository));
    }
}
