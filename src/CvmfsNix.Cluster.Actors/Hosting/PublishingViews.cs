using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>Asks for a repository with fresh keys, or those found in the key folder.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="HashAlgorithm">Names of objects.</param>
/// <param name="StoreDirectory">The Nix store directory its paths belong to.</param>
public sealed record CreateRepository(string Repository, HashAlgorithmId HashAlgorithm = HashAlgorithmId.Sha1, string StoreDirectory = "/nix/store")
{
    /// <summary>Whether the tree is to hold a database of Nix, which commits keep up.</summary>
    public bool NixDatabase { get; init; }
}

/// <summary>Makes a transaction durable whose bundle is durable on this node already.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="Id">The builder's id.</param>
/// <param name="Digest">The request's digest.</param>
/// <param name="BundleDigest">Lower-case hex SHA-256 of the bundle blob.</param>
/// <param name="BundleSize">Bytes of the bundle blob.</param>
/// <param name="Paths">Store paths in the bundle.</param>
/// <param name="Builder">Free text that fairness goes by, as a host name.</param>
public sealed record SealTransaction(string Repository, TransactionId Id, RequestDigest Digest, string BundleDigest, long BundleSize, int Paths, string Builder);

/// <summary>Records the answer to a request that found everything it asked for.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="Id">The builder's id.</param>
/// <param name="Digest">The request's digest.</param>
/// <param name="Revision">The revision everything was found in.</param>
/// <param name="RootHash">Its root hash.</param>
/// <param name="PathsPresent">Store paths asked for.</param>
/// <param name="ContentKept">Base names of those that are there with another content.</param>
/// <param name="Builder">Free text, as a host name.</param>
public sealed record ConcludeTransaction(
    string Repository, TransactionId Id, RequestDigest Digest, ulong Revision, string RootHash, int PathsPresent, IReadOnlyList<string> ContentKept, string Builder);

/// <summary>What <see cref="IPublishingCore.BeginAsync"/> found.</summary>
public abstract record OpenOutcome
{
    private OpenOutcome()
    {
    }

    /// <summary>The transaction is open now, or would be.</summary>
    public sealed record Opened : OpenOutcome;

    /// <summary>The transaction was sealed or decided before: nothing to send.</summary>
    public sealed record Known(TransactionView Transaction) : OpenOutcome;
}

/// <summary>A transaction as far as it is known.</summary>
/// <param name="Id">The builder's id.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Revision">The revision it is part of, or the one all of its paths were present in; 0 before a decision.</param>
/// <param name="RootHash">Root hash of <paramref name="Revision"/>; null before a decision.</param>
/// <param name="Unchanged">Committed, but nothing of it was new.</param>
/// <param name="PathsNew">Paths it added.</param>
/// <param name="PathsPresent">Paths that were there with the same or another content.</param>
/// <param name="ContentKept">Base names of paths whose first, different content was kept.</param>
/// <param name="BytesStored">Stored bytes of the objects it brought.</param>
/// <param name="Reason">Why it was rejected.</param>
public sealed record TransactionView(
    TransactionId Id,
    TransactionStatus Status,
    ulong Revision = 0,
    string? RootHash = null,
    bool Unchanged = false,
    int PathsNew = 0,
    int PathsPresent = 0,
    IReadOnlyList<string>? ContentKept = null,
    long BytesStored = 0,
    Rejection? Reason = null)
{
    /// <inheritdoc cref="TransactionView"/>
    public IReadOnlyList<string> ContentKept { get; init; } = ContentKept ?? [];
}

/// <summary>A repository as this node knows it.</summary>
public sealed record RepositoryView
{
    /// <summary>Fully qualified name.</summary>
    public required string Repository { get; init; }

    /// <summary>Current revision, as the writer has it; 0 = not created yet.</summary>
    public ulong Revision { get; init; }

    /// <summary>Lower-case hex, with the algorithm id where it is not SHA-1.</summary>
    public string RootHash { get; init; } = "";

    /// <summary>Manifest time of the revision.</summary>
    public DateTimeOffset PublishedAt { get; init; }

    /// <summary>Live store paths.</summary>
    public long Paths { get; init; }

    /// <summary>Objects in this node's store.</summary>
    public long Objects { get; init; }

    /// <summary>Their stored bytes.</summary>
    public long StoredBytes { get; init; }

    /// <summary>End of the whitelist's validity.</summary>
    public DateTimeOffset WhitelistExpiresAt { get; init; }

    /// <summary>Whether a leader told the time of publishing, the paths and the whitelist's end: they are nothing otherwise.</summary>
    public bool IsTold => WhitelistExpiresAt > DateTimeOffset.UnixEpoch;

    /// <summary>Public master key on this node.</summary>
    public string PublicKeyFile { get; init; } = "";

    /// <summary>The same, PEM.</summary>
    public string PublicKeyPem { get; init; } = "";

    /// <summary><c>name:base64</c>.</summary>
    public string NixPublicKey { get; init; } = "";

    /// <summary>The Nix store directory of its paths.</summary>
    public string StoreDirectory { get; init; } = "";

    /// <summary><c>sha1</c> or <c>shake128</c>.</summary>
    public string HashAlgorithm { get; init; } = "";

    /// <summary>Whether the tree holds a database of Nix.</summary>
    public bool NixDatabase { get; init; }

    /// <summary>Transactions in the writer's queue.</summary>
    public int Queued { get; init; }

    /// <summary>Transactions of the commit that runs now.</summary>
    public int InFlight { get; init; }

    /// <summary>Open transactions known to the ledgers.</summary>
    public int OpenTransactions { get; init; }

    /// <summary>Why it takes no publishes at present; null = it does.</summary>
    public string? Problem { get; init; }

    /// <summary>Stable name of a problem that somebody has to mend; null = there is none.</summary>
    public string? ProblemCode { get; init; }

    /// <summary>The refusal of whatever needs a commit, while somebody has to mend something; null otherwise.</summary>
    public PublishingException? Obstacle => ProblemCode is { } code
        ? new PublishingException(code, Problem ?? "", Repository, "Nothing was changed. Once it is mended, the same command with the same transaction id is safe.")
        : null;

    /// <summary>What will become a problem unless somebody acts; null = nothing.</summary>
    public string? Warning { get; init; }
}

/// <summary>A cluster member.</summary>
/// <param name="Address">Remoting address.</param>
/// <param name="Roles">Its roles, without the ones Akka adds.</param>
/// <param name="Status">As <c>Up</c> or <c>Leaving</c>.</param>
/// <param name="Reachable">False while failure detection misses it.</param>
public sealed record MemberView(string Address, IReadOnlyList<string> Roles, string Status, bool Reachable);

/// <summary>The cluster as this node sees it.</summary>
/// <param name="Node">Remoting address of this node.</param>
/// <param name="Roles">Its roles.</param>
/// <param name="Leader">Address of the member that runs the Stratum-0 leader; null when unknown.</param>
/// <param name="Epoch">Counts leaderships; 0 when the leader did not answer.</param>
/// <param name="Members">All members.</param>
/// <param name="Repositories">All repositories.</param>
public sealed record ClusterStatus(
    string Node, IReadOnlyList<string> Roles, string? Leader, ulong Epoch, IReadOnlyList<MemberView> Members, IReadOnlyList<RepositoryView> Repositories)
{
    /// <summary>The mirrors that follow, by repository and name; empty also when not all of them could be asked.</summary>
    public IReadOnlyList<ReplicaView> Replicas { get; init; } = [];
}
