using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Model.Administration;

/// <summary>What operators ask of actors on other nodes.</summary>
public static class AdministrationProtocol
{
    /// <summary>Asks a ledger for the newest transactions it remembers. Answered by <see cref="TransactionsAre"/>.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Bucket">The ledger.</param>
    /// <param name="Max">Most of them; more than <see cref="ListMax"/> are never told.</param>
    public sealed record ListTransactions(RepositoryId Repository, int Bucket, int Max) : TransactionProtocol.ILedgerMessage;

    /// <summary>Keeps an answer far below the transport's frame.</summary>
    public const int ListMax = 50;

    /// <summary>Transactions of a ledger, newest first; without an outcome: sealed and not decided.</summary>
    public sealed record TransactionsAre(int Bucket, IReadOnlyList<ListedTransaction> Transactions)
    {
        public bool Equals(TransactionsAre? other) => other is not null && Bucket == other.Bucket && Transactions.SequenceEqual(other.Transactions);

        public override int GetHashCode() => HashCode.Combine(Bucket, Transactions.Count);
    }

    /// <summary>A transaction in a list. Lists of kept contents are left out, and of a reason its code and message are told.</summary>
    public sealed record ListedTransaction(SealedTransaction Transaction, TransactionStatus Status, TransactionOutcome? Outcome);

    /// <summary>Asks a repository's writer, over the leader, for what waits. Answered by <see cref="QueueIs"/>.</summary>
    public sealed record GetQueue(RepositoryId Repository);

    /// <summary>What waits for a commit, oldest first; only the first <see cref="ListMax"/> are named.</summary>
    public sealed record QueueIs(IReadOnlyList<WaitingTransaction> Transactions)
    {
        public bool Equals(QueueIs? other) => other is not null && Transactions.SequenceEqual(other.Transactions);

        public override int GetHashCode() => Transactions.Count;
    }

    /// <summary>A transaction that waits.</summary>
    /// <param name="Transaction">The transaction.</param>
    /// <param name="ArrivedAt">When the writer first heard of it.</param>
    /// <param name="Tries">Batches it was part of.</param>
    /// <param name="State">As an operator reads it.</param>
    public sealed record WaitingTransaction(SealedTransaction Transaction, DateTimeOffset ArrivedAt, int Tries, string State);

    /// <summary>Asks the leader to end its leadership so that another node leads. Answered by <see cref="Resigning"/> or Failed.</summary>
    public sealed record Resign(string Why);

    /// <summary>It ends now.</summary>
    public sealed record Resigning(ulong Epoch, string Node);

    /// <summary>Asks a repository's writer, over the leader, to sign the whitelist anew. Answered by <see cref="WhitelistIs"/> or Failed.</summary>
    public sealed record RenewWhitelist(RepositoryId Repository);

    /// <summary>The whitelist in the journal.</summary>
    public sealed record WhitelistIs(DateTimeOffset ExpiresAt, long SequenceNumber);

    /// <summary>
    /// Asks a repository's writer, over the leader, to go one step towards signing with the next key, if it is time for it. Asked until it is done; safe to
    /// repeat, also by somebody else. Answered by <see cref="KeyRotationIs"/> or Failed.
    /// </summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="By">Who asks.</param>
    /// <param name="Caches">How long proxies between stores and clients may show an old file.</param>
    public sealed record RotateKey(RepositoryId Repository, string By, TimeSpan Caches);

    /// <summary>How far a repository's change of keys is.</summary>
    /// <param name="Stage">What is done.</param>
    /// <param name="NextAt">Not before this time the next step is taken.</param>
    /// <param name="Fingerprint">Of the certificate that manifests are signed with in the end.</param>
    /// <param name="SequenceNumber">The event that every replica should have before the next step.</param>
    public sealed record KeyRotationIs(KeyRotationStage Stage, DateTimeOffset NextAt, string Fingerprint, long SequenceNumber);

    /// <summary>Stages of a change of keys, in order.</summary>
    public enum KeyRotationStage
    {
        /// <summary>The whitelist names both certificates.</summary>
        Listed,

        /// <summary>The next key signs.</summary>
        Signing,

        /// <summary>The whitelist names the certificate of the present key only.</summary>
        Done,
    }
}
