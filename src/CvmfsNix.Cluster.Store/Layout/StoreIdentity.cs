using System.Text;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Layout;

/// <summary>
/// The id of a node's store. A store that lost its folder is another store: whoever counted on the one must not be answered by the other. Hence
/// the id is kept twice, beside the objects and beside the record files, and where the two do not agree, or a repository lost either, there is a
/// new one.
/// </summary>
public static class StoreIdentity
{
    private const string FileName = ".store-id";

    /// <summary>Reads the id, or makes one; on return it survives a power loss. One process at a time.</summary>
    /// <returns>32 lower-case hex digits.</returns>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static string LoadOrCreate(StoreLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        string[] folders = [layout.RepositoriesFolder, layout.MetaRootFolder];
        string?[] found = [.. folders.Select(Read)];
        if (found[0] is { } known && known == found[1] && !HasLostParts(layout))
            return known;
        string fresh = Guid.NewGuid().ToString("N");
        foreach (string folder in folders)
        {
            DurableDirectory.Ensure(folder);
            string temporary = Path.Combine(folder, FileName + ".new");
            File.Delete(temporary);
            using (var handle = DurableFile.Create(temporary))
            {
                RandomAccess.Write(handle, Encoding.ASCII.GetBytes(fresh + "\n"), 0);
                RandomAccess.FlushToDisk(handle);
            }

            File.Move(temporary, Path.Combine(folder, FileName), overwrite: true);
            DirectorySync.Sync(folder);
        }

        return fresh;
    }

    private static bool HasLostParts(StoreLayout layout) =>
        Directory.EnumerateDirectories(layout.MetaRootFolder).Select(d => Path.GetFileName(d)).Where(RepositoryName.IsValid).Any(r => LostParts.Are(layout, r));

    private static string? Read(string folder)
    {
        string file = Path.Combine(folder, FileName);
        return File.Exists(file) && Guid.TryParseExact(File.ReadAllText(file).Trim(), "N", out Guid id) ? id.ToString("N") : null;
    }
}
