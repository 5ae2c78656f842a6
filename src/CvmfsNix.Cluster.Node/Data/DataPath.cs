using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>What a path of the data port names.</summary>
public enum DataPathKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A top-level file of a repository, as <c>.cvmfspublished</c>: it changes.</summary>
    NamedFile,

    /// <summary>An object: it never changes.</summary>
    Object,

    /// <summary>The question which server is nearest.</summary>
    Geo,

    /// <summary>The list of this server's repositories.</summary>
    RepositoryList,

    /// <summary>Where a builder posts object packs.</summary>
    Upload,

    /// <summary>What the stores of a cluster ask of each other.</summary>
    Peer,

    /// <summary>What replicas ask for.</summary>
    Replica,

    /// <summary>A file of a repository's binary cache.</summary>
    BinaryCache,
}

/// <summary>
/// A request path taken apart. Only what is named here exists: no listing, no staging folder, nothing outside of a repository's folder.
/// A file's path is put together from checked parts, never from the text of the request.
/// </summary>
/// <param name="Kind">What it names.</param>
/// <param name="Repository">Fully qualified name; empty for the list.</param>
/// <param name="Rest">Named file: its name. Object: its path below the repository. Geo: the comma-separated hosts. Upload: the transaction. Peer, replica: what is asked. Binary cache: the path below its root.</param>
/// <param name="Caller">Geo: how the asker names itself; else empty.</param>
public readonly record struct DataPath(DataPathKind Kind, string Repository = "", string Rest = "", string Caller = "")
{
    private const string NamedPrefix = ".cvmfs";
    private const int NamedLengthMax = 128;

    /// <summary>Takes apart a decoded request path.</summary>
    public static DataPath Parse(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string[] parts = path.Split('/', 9);
        if (parts.Length < 3 || parts[0].Length > 0)
            return default;
        return parts[1] switch
        {
            "cvmfs" when path == "/cvmfs/info/v1/repositories.json" => new DataPath(DataPathKind.RepositoryList),
            "cvmfs" when RepositoryName.IsValid(parts[2]) => InRepository(parts),
            "nix" when parts.Length > 3 && RepositoryName.IsValid(parts[2]) => new DataPath(DataPathKind.BinaryCache, parts[2], path[(parts[2].Length + 6)..]),
            "peer" when parts.Length == 4 && RepositoryName.IsValid(parts[2]) => new DataPath(DataPathKind.Peer, parts[2], parts[3]),
            "replica" when parts.Length == 4 && RepositoryName.IsValid(parts[2]) => new DataPath(DataPathKind.Replica, parts[2], parts[3]),
            "upload" when parts.Length == 4 && RepositoryName.IsValid(parts[2]) => new DataPath(DataPathKind.Upload, parts[2], parts[3]),
            _ => default,
        };
    }

    private static DataPath InRepository(string[] parts)
    {
        switch (parts.Length)
        {
            case 4 when IsNamedFile(parts[3]):
                return new DataPath(DataPathKind.NamedFile, parts[2], parts[3]);
            case 6 when parts[3] == "data" && ObjectName.TryParsePath($"data/{parts[4]}/{parts[5]}", out ObjectName name):
                return new DataPath(DataPathKind.Object, parts[2], name.RelativePath);
            case 8 when parts[3] == "api" && parts[4] == "v1.0" && parts[5] == "geo" && parts[6].Length > 0:
                return new DataPath(DataPathKind.Geo, parts[2], parts[7], parts[6]);
            default:
                return default;
        }
    }

    private static bool IsNamedFile(string name) =>
        name.Length is > 6 and <= NamedLengthMax
        && name.StartsWith(NamedPrefix, StringComparison.Ordinal)
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
