using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>What the creation of a repository fixes for its whole life.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="StoreDirectory">The Nix store directory its paths belong to.</param>
/// <param name="HashAlgorithm">Names of objects.</param>
/// <param name="TtlSeconds">How long clients keep a manifest.</param>
/// <param name="NestedMinEntries">Entries from which a store path gets a catalog of its own.</param>
/// <param name="Certificate">The certificate object, which also tells whether a node holds the right keys.</param>
public sealed record RepositoryDefinition(
    RepositoryId Repository, StoreDirectory StoreDirectory, HashAlgorithmId HashAlgorithm, int TtlSeconds, int NestedMinEntries, ObjectHash Certificate)
{
    /// <summary>Whether the tree holds a database of Nix, which commits keep up.</summary>
    public bool NixDatabase { get; init; }
}
