using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>What a repository was created with, as far as builders care.</summary>
/// <param name="StoreDirectory">Its paths belong to this one.</param>
/// <param name="HashAlgorithm">Of its object names.</param>
public sealed record GateFormat(StoreDirectory StoreDirectory, HashAlgorithmId HashAlgorithm);

/// <summary>What the gateway needs of the repositories' local stores. Every method throws <c>UnknownRepository</c> for a name it does not know.</summary>
public interface IRepositoryGate
{
    /// <summary>What the repository was created with.</summary>
    GateFormat Format(string repository);

    /// <summary>Starts staging a transaction.</summary>
    IStaging Stage(string repository, TransactionId transaction);

    /// <summary>The NAR hashes of committed paths, in the order asked; null = not committed.</summary>
    IReadOnlyList<NarHash?> FindPaths(string repository, IReadOnlyList<StorePathName> paths);

    /// <summary>What was committed under a path, and with which revision; null = not committed.</summary>
    IndexedPath? FindRegistration(string repository, StorePathName path);
}
