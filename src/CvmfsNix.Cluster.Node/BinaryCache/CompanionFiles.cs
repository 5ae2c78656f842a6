using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// Files that builders leave beside the paths: build logs, realisations, build traces. They are kept as they came, on the node they came to, below
/// the repository's side folder; losing them loses nothing that was published.
/// </summary>
internal static class CompanionFiles
{
    /// <summary>Bytes of one file.</summary>
    public const int SizeMax = 64 << 20;

    /// <summary>Where a file lies; its name is made of the digest of what the client calls it.</summary>
    public static string FileOf(RepositoryStore store, string name) =>
        Path.Combine(FolderOf(store), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name))));

    /// <summary>Keeps a file; the last one of a name counts.</summary>
    public static async Task WriteAsync(RepositoryStore store, string name, Stream body, CancellationToken ct)
    {
        DurableDirectory.Ensure(FolderOf(store));
        string file = FileOf(store, name), temporary = $"{file}.{Guid.NewGuid():N}";
        try
        {
            await using (var written = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
                await body.CopyToAsync(written, ct);
            File.Move(temporary, file, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>How a file is sent.</summary>
    public static string ContentTypeOf(string name) => name.StartsWith("log/", StringComparison.Ordinal) ? "text/plain; charset=utf-8" : "application/json";

    private static string FolderOf(RepositoryStore store) => Path.Combine(store.Layout.MetaFolder(store.Format.Repository), "companions");
}
