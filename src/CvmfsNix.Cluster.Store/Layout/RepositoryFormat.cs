using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Store.Layout;

/// <summary>What the creation of a repository fixed for its whole life, and the options that shape its catalogs.</summary>
public sealed record RepositoryFormat
{
    /// <summary>Fully qualified repository name.</summary>
    public required string Repository { get; init; }

    /// <summary>The directory that is part of every store path's hash.</summary>
    public required StoreDirectory StoreDirectory { get; init; }

    /// <summary>The digest that names objects.</summary>
    public required HashAlgorithmId HashAlgorithm { get; init; }

    /// <summary>How long clients keep a revision before they look for the next; seconds.</summary>
    public int TtlSeconds { get; init; } = 240;

    /// <summary>A path with at least so many entries gets a catalog of its own; smaller ones are inlined.</summary>
    public int NestedMinEntries { get; init; } = 8;

    /// <summary>Whether the tree holds a database of Nix, which commits keep up.</summary>
    public bool HasNixDatabase { get; init; }

    /// <summary>The certificate object.</summary>
    public required ObjectHash Certificate { get; init; }

    /// <inheritdoc cref="StoreRootOf"/>
    public RepositoryPath StoreRoot => StoreRootOf(Repository, StoreDirectory);

    /// <summary>Where profiles lie: <c>var/nix/profiles</c> beside the store directory.</summary>
    public RepositoryPath ProfilesRoot => StoreRoot.Parent.Combine("var").Combine("nix").Combine("profiles");

    /// <summary>
    /// Where the store directory lies in the repository: <c>/nix/store</c> is found at <c>/nix/store</c> (a client mounts or links it
    /// there), a directory below the repository's mount point, <c>/cvmfs/FQRN/store</c>, at what follows the mount point.
    /// </summary>
    /// <exception cref="ArgumentException">The store directory is the mount point itself.</exception>
    public static RepositoryPath StoreRootOf(string repository, StoreDirectory storeDirectory)
    {
        string mountPoint = "/cvmfs/" + repository;
        string directory = storeDirectory.Value;
        if (directory == mountPoint)
            throw new ArgumentException($"The store directory of {repository} cannot be its mount point {mountPoint}: choose a folder below it, such as {mountPoint}/store.");
        return RepositoryPath.Parse(directory.StartsWith(mountPoint + "/", StringComparison.Ordinal) ? directory[mountPoint.Length..] : directory);
    }
}
