namespace CvmfsNix.Cluster.Store.Layout;

/// <summary>
/// Where things lie in a node's data folder.
/// <code>
/// DATA/cvmfs/FQRN/            repository folder of stock shape: data/00…ff, data/txn, the named files
/// DATA/meta/FQRN/blobs/       record files (bundles, delta lists, path infos), named by their SHA-256
/// DATA/meta/FQRN/applied/     archive of the applied journal events
/// DATA/meta/FQRN/index.db     path and content index: a projection, rebuilt when lost
/// DATA/meta/FQRN/work/        working catalogs: caches
/// DATA/meta/FQRN/staging/     scratch of open transactions, emptied at start
/// </code>
/// </summary>
/// <param name="DataDirectory">The folder the node was given.</param>
public sealed record StoreLayout(string DataDirectory)
{
    /// <summary>All repository folders.</summary>
    public string RepositoriesFolder => Path.Combine(DataDirectory, "cvmfs");

    /// <summary>All side folders.</summary>
    public string MetaRootFolder => Path.Combine(DataDirectory, "meta");

    /// <summary>What HTTP serves below <c>/cvmfs/FQRN</c>.</summary>
    public string RepositoryFolder(string repository) => Path.Combine(RepositoriesFolder, Checked(repository));

    /// <summary>The side folder of a repository.</summary>
    public string MetaFolder(string repository) => Path.Combine(MetaRootFolder, Checked(repository));

    /// <summary>Record files.</summary>
    public string BlobsFolder(string repository) => Path.Combine(MetaFolder(repository), "blobs");

    /// <summary>Applied journal events.</summary>
    public string AppliedFolder(string repository) => Path.Combine(MetaFolder(repository), "applied");

    /// <summary>The SQLite file of the path and content index.</summary>
    public string IndexFile(string repository) => Path.Combine(MetaFolder(repository), "index.db");

    /// <summary>Working catalogs; may be deleted at any time the node is down.</summary>
    public string WorkFolder(string repository) => Path.Combine(MetaFolder(repository), "work");

    /// <summary>Scratch files of open transactions; a restart empties it.</summary>
    public string StagingFolder(string repository) => Path.Combine(MetaFolder(repository), "staging");

    // The name becomes a folder: one that climbs out of the data folder must not get this far.
    private static string Checked(string repository) =>
        Cvmfs.Objects.RepositoryName.IsValid(repository)
            ? repository
            : throw new ArgumentException($"'{repository}' is not a legal repository name.", nameof(repository));
}
