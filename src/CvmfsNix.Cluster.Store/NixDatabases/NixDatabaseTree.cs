using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Layout;

namespace CvmfsNix.Cluster.Store.NixDatabases;

/// <summary>
/// Where the database lies in the tree, beside the store directory, with the folders that Nix makes where they are missing and cannot make there:
/// <code>
/// store/.links    var/nix/db/{db.sqlite,schema}    var/nix/temproots    var/nix/gcroots/per-user    var/nix/profiles/per-user
/// </code>
/// All but the first are rows of the root catalog.
/// </summary>
internal static class NixDatabaseTree
{
    /// <summary>The folder in the store directory that is no store path.</summary>
    public const string Links = ".links";

    /// <summary>The folder among the profiles that is no profile.</summary>
    public const string PerUser = "per-user";

    /// <summary>Bytes of a piece of the file: a commit sends the pieces it changed, and the root catalog has a row for each.</summary>
    public const int ChunkSize = 32 * 1024;

    private const uint FileMode = 0x8000 | 0b100_100_100;

    /// <summary>The database file.</summary>
    public static RepositoryPath File(RepositoryFormat format) => Folder(format).Combine("db.sqlite");

    /// <summary>The file that names the version of the schema.</summary>
    public static RepositoryPath SchemaFile(RepositoryFormat format) => Folder(format).Combine("schema");

    /// <summary>Content of that file.</summary>
    public static byte[] SchemaText => Encoding.ASCII.GetBytes(NixDatabaseSchema.Version);

    /// <summary>Folders that have to be there, parents first.</summary>
    public static IEnumerable<RepositoryPath> Folders(RepositoryFormat format)
    {
        RepositoryPath state = State(format);
        foreach (string name in (string[])["db", "gcroots", "profiles", "temproots"])
            yield return state.Combine(name);
        yield return state.Combine("gcroots").Combine(PerUser);
        yield return state.Combine("profiles").Combine(PerUser);
    }

    /// <summary>The row of a file of ours.</summary>
    public static CatalogEntry Row(RepositoryPath path, long size, ObjectHash? hash, IReadOnlyList<FileChunk> chunks, HashAlgorithmId algorithm) => new()
    {
        Path = path,
        Mode = FileMode,
        Size = size,
        ModifiedAt = CatalogRows.ModifiedAt,
        Hash = hash,
        HashAlgorithm = algorithm,
        Compression = CompressionAlgorithm.Zlib,
        Chunks = chunks,
    };

    private static RepositoryPath State(RepositoryFormat format) => format.ProfilesRoot.Parent;

    private static RepositoryPath Folder(RepositoryFormat format) => State(format).Combine("db");
}
