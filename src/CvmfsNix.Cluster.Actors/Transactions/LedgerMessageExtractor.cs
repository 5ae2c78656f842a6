using Akka.Cluster.Sharding;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Actors.Transactions;

/// <summary>Finds a message's ledger: the repository and the bucket its transaction falls into.</summary>
internal sealed class LedgerMessageExtractor() : HashCodeMessageExtractor(ShardCount)
{
    /// <summary>Shards of all ledgers together. Changing it needs a stopped cluster.</summary>
    public const int ShardCount = 64;

    public override string? EntityId(object message) => message is TransactionProtocol.ILedgerMessage m ? LedgerBucket.EntityId(m.Repository, m.Bucket) : null;
}
