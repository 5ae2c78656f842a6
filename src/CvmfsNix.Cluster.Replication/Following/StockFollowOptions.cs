using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Replication.Following;

/// <summary>A repository on stock servers, and where it is kept here.</summary>
public sealed record StockFollowOptions
{
    /// <summary>Fully qualified name.</summary>
    public required string Repository { get; init; }

    /// <summary>URLs of the repository's folder, such as <c>http://host/cvmfs/demo.example.org</c>, in the order in which they are asked.</summary>
    public required IReadOnlyList<Uri> RepositoryUrls { get; init; }

    /// <summary>Keys of which one must have signed the whitelist.</summary>
    public required IReadOnlyList<string> MasterPublicKeyPems { get; init; }

    /// <summary>Folder of stock shape that is served; made when it is not there. One process at a time.</summary>
    public required string RepositoryFolder { get; init; }

    /// <summary>Scratch.</summary>
    public required string WorkFolder { get; init; }

    /// <summary>Also bring the revisions before the newest one, as far back as catalogs name them and a server has them.</summary>
    public bool WithHistory { get; init; }
}

/// <summary>What a look at the servers led to.</summary>
/// <param name="Changed">Whether something else is served than before.</param>
/// <param name="Revision">The served revision.</param>
/// <param name="RootHash">Its root catalog.</param>
/// <param name="ObjectsFetched">Objects that came.</param>
/// <param name="BytesFetched">Bytes of the answers they came in.</param>
/// <param name="TagsSkipped">Tags whose root catalog no server has any more, which a repository with garbage collection allows.</param>
public sealed record StockFollowResult(bool Changed, ulong Revision, ObjectHash RootHash, long ObjectsFetched, long BytesFetched, IReadOnlyList<string> TagsSkipped);
