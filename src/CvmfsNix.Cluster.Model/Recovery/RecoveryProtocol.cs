using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Model.Recovery;

/// <summary>What a persistent actor holds, told so that it can be compared with its journal, whichever node it lives on at the moment.</summary>
public static class RecoveryProtocol
{
    /// <summary>Asks a ledger.</summary>
    public sealed record GetLedgerState(RepositoryId Repository, int Bucket) : TransactionProtocol.ILedgerMessage;

    /// <summary>Asks the leader for the state of a repository's writer.</summary>
    public sealed record GetWriterState(RepositoryId Repository);

    /// <summary>The answer. A state may be larger than a message: it is named by the digest of the snapshot it would make.</summary>
    /// <param name="Node">Remoting address of the node it lives on.</param>
    /// <param name="SequenceNumber">Its last event.</param>
    /// <param name="Digest">SHA-256 of the snapshot, 64 hex digits.</param>
    public sealed record StateIs(string Node, long SequenceNumber, string Digest);
}
