using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>What a <c>TransactionLedger</c> is asked, answers and writes down.</summary>
public static class TransactionProtocol
{
    /// <summary>A message to one ledger of a repository.</summary>
    public interface ILedgerMessage
    {
        /// <summary>The repository.</summary>
        RepositoryId Repository { get; }

        /// <summary>Which of the repository's ledgers, see <see cref="LedgerBucket"/>.</summary>
        int Bucket { get; }
    }

    /// <summary>A message about one transaction; its ledger follows from the id.</summary>
    public interface ITransactionMessage : ILedgerMessage
    {
        /// <summary>The transaction.</summary>
        TransactionId Id { get; }
    }

    /// <summary>Opens a transaction, or only looks when <paramref name="Register"/> is false.</summary>
    public sealed record Begin(RepositoryId Repository, TransactionId Id, RequestDigest Digest, bool Register) : ITransactionMessage
    {
        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>Makes a transaction durable. Answered when it is decided.</summary>
    public sealed record Seal(RepositoryId Repository, SealedTransaction Transaction) : ITransactionMessage
    {
        public TransactionId Id => Transaction.Id;

        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>
    /// Records the answer to a request that found everything it asked for: nothing is left for the writer to decide, and yet a retry must
    /// get this answer and the same id with another request must be refused.
    /// </summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Transaction">Without a bundle.</param>
    /// <param name="Outcome">Committed and unchanged.</param>
    public sealed record Conclude(RepositoryId Repository, SealedTransaction Transaction, TransactionOutcome Outcome) : ITransactionMessage
    {
        public TransactionId Id => Transaction.Id;

        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>Gives an open transaction up.</summary>
    public sealed record Abort(RepositoryId Repository, TransactionId Id) : ITransactionMessage
    {
        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>Asks what is known.</summary>
    public sealed record GetTransaction(RepositoryId Repository, TransactionId Id) : ITransactionMessage
    {
        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>The writer tells its decision, which is in its journal. Repeated until <see cref="Settled"/>.</summary>
    public sealed record Decide(RepositoryId Repository, TransactionOutcome Outcome) : ITransactionMessage
    {
        public TransactionId Id => Outcome.Id;

        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>A new leader asks a ledger for everything that is sealed and not decided.</summary>
    public sealed record OfferSealed(RepositoryId Repository, int Bucket) : ILedgerMessage;

    /// <summary>
    /// Where a ledger's history ends in the journal. One that has written less is not the last that wrote: a predecessor on a node that was
    /// frozen has, after the thaw and before it learnt that it had been put out.
    /// </summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Bucket">The ledger.</param>
    /// <param name="SequenceNumber">Of its last event; 0 = none.</param>
    public sealed record JournalEnd(RepositoryId Repository, int Bucket, long SequenceNumber) : ILedgerMessage;

    /// <summary>The writer was offered what a ledger told it to have settled: a ledger that does not know better has not read its whole history.</summary>
    public sealed record AlreadySettled(RepositoryId Repository, TransactionId Id) : ILedgerMessage
    {
        public int Bucket => LedgerBucket.Of(Id);
    }

    /// <summary>The writer's queue is full: offer again later, and take nothing new until then.</summary>
    public sealed record WriterBusy(RepositoryId Repository, int Bucket, TimeSpan RetryAfter) : ILedgerMessage;

    /// <summary>Offers sealed transactions to the writer. Repeated until decided; harmless to repeat.</summary>
    public sealed record Enqueue(RepositoryId Repository, int Bucket, IReadOnlyList<SealedTransaction> Transactions)
    {
        /// <summary>Most transactions of one message, which keeps it far below the transport's frame.</summary>
        public const int TransactionsMax = 100;

        public bool Equals(Enqueue? other) =>
            other is not null && Repository == other.Repository && Bucket == other.Bucket && Transactions.SequenceEqual(other.Transactions);

        public override int GetHashCode() => HashCode.Combine(Repository, Bucket, Transactions.Count);
    }

    /// <summary>The ledger has the decision in its journal: the writer may forget it.</summary>
    public sealed record Settled(RepositoryId Repository, TransactionId Id);

    /// <summary>An answer of a ledger.</summary>
    public interface IReply;

    /// <summary>The transaction is open, or nothing is known and it could be.</summary>
    public sealed record Opened : IReply;

    /// <summary>Sealed, not decided.</summary>
    public sealed record Waiting(TransactionId Id) : IReply;

    /// <summary>The final answer, the same for every retry.</summary>
    public sealed record Decided(TransactionOutcome Outcome) : IReply;

    /// <summary>State of a transaction that was not sealed.</summary>
    public sealed record NotSealed(TransactionId Id, TransactionStatus Status) : IReply;

    /// <summary>Nothing is known.</summary>
    public sealed record Unknown(TransactionId Id) : IReply;

    /// <summary>The abort is noted.</summary>
    public sealed record Aborted(TransactionId Id) : IReply;

    /// <summary>The abort came after the seal.</summary>
    public sealed record TooLateToAbort(TransactionId Id) : IReply;

    /// <summary>The id was used for another request.</summary>
    public sealed record IdReused(TransactionId Id) : IReply;

    /// <summary>The id is older than what ledgers remember; it may have been applied once.</summary>
    public sealed record TooOld(TransactionId Id, DateTimeOffset OldestAccepted) : IReply;

    /// <summary>The id claims a time that is far ahead of this node's clock.</summary>
    public sealed record FromTheFuture(TransactionId Id, DateTimeOffset NewestAccepted) : IReply;

    /// <summary>Nothing was taken; come back after <paramref name="RetryAfter"/>.</summary>
    public sealed record Overloaded(TransactionId Id, TimeSpan RetryAfter) : IReply;

    /// <summary>What a ledger writes down.</summary>
    public interface ILedgerEvent;

    /// <summary>The transaction is durable and waits for the writer.</summary>
    public sealed record TransactionSealed(SealedTransaction Transaction, DateTimeOffset At) : ILedgerEvent;

    /// <summary>The writer's decision was recorded.</summary>
    public sealed record TransactionDecided(TransactionOutcome Outcome, DateTimeOffset At) : ILedgerEvent;

    /// <summary>A request found everything it asked for: known and decided at once.</summary>
    public sealed record TransactionConcluded(SealedTransaction Transaction, TransactionOutcome Outcome, DateTimeOffset At) : ILedgerEvent;

    /// <summary>Decided transactions whose ids are older than <paramref name="CreatedBefore"/> are no longer remembered.</summary>
    public sealed record TransactionsForgotten(DateTimeOffset CreatedBefore) : ILedgerEvent;
}
