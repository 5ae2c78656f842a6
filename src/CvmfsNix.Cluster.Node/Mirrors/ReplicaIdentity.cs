using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>The id by which the core knows this mirror: given, or made once and kept in the data folder.</summary>
/// <param name="Id">1 to 64 letters, digits, dots, dashes or underscores.</param>
public sealed record ReplicaIdentity(string Id)
{
    private const string FileName = "replica.id";
    private const int RandomBytes = 6;

    /// <summary>The given id, or the one in the folder; on return it survives a power loss.</summary>
    /// <exception cref="DataFolderException">The file cannot be read or made, or holds something else.</exception>
    public static ReplicaIdentity Of(string? given, string dataFolder, string site)
    {
        if (given is not null)
            return new ReplicaIdentity(given);
        string file = Path.Combine(dataFolder, FileName);
        try
        {
            if (File.Exists(file))
            {
                string known = File.ReadAllText(file).Trim();
                return NodeOptionsBinder.IsReplicaId(known)
                    ? new ReplicaIdentity(known)
                    : throw new DataFolderException($"{file} holds no replica id; remove it, and a new one is made, or give --replica-id.");
            }

            string fresh = $"{site[..Math.Min(site.Length, 40)]}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RandomBytes))}";
            DurableFile.WriteAtomicAsync(dataFolder, file, Encoding.ASCII.GetBytes(fresh + "\n")).GetAwaiter().GetResult();
            return new ReplicaIdentity(fresh);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFolderException($"the replica id {file} cannot be read or made: {e.Message}", e);
        }
    }
}
