using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Node.Errors;
using Google.Protobuf;
using TransactionOutcome = CvmfsNix.Cluster.Contracts.Publishing.TransactionOutcome;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>From the core's views to the messages builders read.</summary>
public static class OutcomeMapping
{
    /// <summary>The outcome of a transaction.</summary>
    public static TransactionOutcome ToOutcome(TransactionView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        var outcome = new TransactionOutcome
        {
            Transaction = view.Id.ToString(),
            State = view.Status switch
            {
                TransactionStatus.Open => TransactionState.Open,
                TransactionStatus.Sealed => TransactionState.Sealed,
                TransactionStatus.Committed => TransactionState.Committed,
                TransactionStatus.Rejected => TransactionState.Rejected,
                TransactionStatus.Aborted => TransactionState.Aborted,
                TransactionStatus.Expired => TransactionState.Expired,
                _ => throw new InvalidOperationException($"A transaction is in the unknown state {view.Status}."),
            },
            Revision = view.Revision,
            RootHash = view.RootHash ?? "",
            Unchanged = view.Unchanged,
            PathsNew = view.PathsNew,
            PathsPresent = view.PathsPresent,
            BytesStored = view.BytesStored,
        };
        outcome.ContentKept.AddRange(view.ContentKept);
        if (view.Reason is { } reason)
            outcome.Reason = new ErrorDetail { Code = reason.Code, Message = reason.Message, What = reason.What, Hint = reason.Hint ?? "" };
        return outcome;
    }

    /// <summary>Why there is no revision to wait for.</summary>
    public static NodeError Refusal(TransactionView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        return view.Reason is { } reason
            ? new NodeError(reason.Code, reason.Message, reason.What, reason.Hint)
            : new NodeError(PublishingCodes.TransactionAborted, $"The transaction is {view.Status.ToString().ToLowerInvariant()}; it has no revision.", view.Id.ToString(), "Publish with a new transaction id.");
    }

    /// <summary>A repository.</summary>
    /// <param name="view">As the core has it.</param>
    /// <param name="dataUrl">Of its folder on this node.</param>
    public static RepositoryInfo ToInfo(RepositoryView view, string dataUrl)
    {
        ArgumentNullException.ThrowIfNull(view);
        return new RepositoryInfo
        {
            Repository = view.Repository,
            Revision = view.Revision,
            RootHash = view.RootHash,
            PublishedAt = view.PublishedAt.ToUnixTimeSeconds(),
            Paths = view.Paths,
            Objects = view.Objects,
            StoredBytes = view.StoredBytes,
            WhitelistExpiresAt = view.WhitelistExpiresAt.ToUnixTimeSeconds(),
            PublicKeyFile = view.PublicKeyFile,
            PublicKey = view.PublicKeyPem,
            NixPublicKey = view.NixPublicKey,
            StoreDirectory = view.StoreDirectory,
            HashAlgorithm = view.HashAlgorithm,
            DataUrl = dataUrl,
        };
    }

    /// <summary>Where a content lies; a size of -1 says nowhere.</summary>
    public static StoredContent ToMessage(Store.Trees.StoredContent? content)
    {
        if (content is null)
            return new StoredContent { Size = -1 };
        var message = new StoredContent
        {
            Size = content.Size,
            Compressed = content.Compression == Cvmfs.Compression.CompressionAlgorithm.Zlib,
            Hash = content.Hash is { } hash ? Bytes(hash) : ByteString.Empty,
        };
        message.Chunks.AddRange(content.Chunks.Select(c => new StoredPart { Offset = c.Offset, Size = c.Size, Hash = Bytes(c.Hash) }));
        return message;
    }

    /// <summary>The cluster as this node sees it.</summary>
    public static NodeStatus ToStatus(ClusterStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        var message = new NodeStatus { Node = status.Node, Leader = status.Leader ?? "", Epoch = status.Epoch };
        message.Roles.AddRange(status.Roles);
        foreach (MemberView member in status.Members)
        {
            var entry = new MemberStatus { Address = member.Address, Status = member.Status, Reachable = member.Reachable };
            entry.Roles.AddRange(member.Roles);
            message.Members.Add(entry);
        }

        foreach (RepositoryView repository in status.Repositories)
        {
            message.Repositories.Add(new RepositoryStatus
            {
                Repository = repository.Repository,
                Revision = repository.Revision,
                RootHash = repository.RootHash,
                Queued = repository.Queued,
                InFlight = repository.InFlight,
                OpenTransactions = repository.OpenTransactions,
                Problem = repository.Problem ?? "",
                Warning = repository.Warning ?? "",
            });
        }

        message.Replicas.AddRange(status.Replicas.Select(ReplicaMessages.ToMessage));
        return message;
    }

    /// <summary>The name of an algorithm in requests and answers.</summary>
    public static string NameOf(HashAlgorithmId algorithm) => algorithm switch
    {
        HashAlgorithmId.Sha1 => "sha1",
        HashAlgorithmId.Shake128 => "shake128",
        HashAlgorithmId.Rmd160 => "rmd160",
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm)),
    };

    private static ByteString Bytes(ObjectHash hash) => ByteString.CopyFrom(hash.ToArray());
}
