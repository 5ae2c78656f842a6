using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>What operators ask of the leader, the writers and the ledgers, wherever these live. Thread-safe.</summary>
public interface IOperations
{
    /// <summary>Sealed and decided transactions the ledgers remember, newest first, and the open ones they know of.</summary>
    /// <param name="fqrn">The repository.</param>
    /// <param name="max">Most of each ledger: up to 64 times as many.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="PublishingException">UnknownRepository; NoLeader when not every ledger answered.</exception>
    Task<IReadOnlyList<TransactionRow>> TransactionsAsync(string fqrn, int max, CancellationToken ct);

    /// <summary>What waits for a commit, in the order it came.</summary>
    /// <exception cref="PublishingException">UnknownRepository; NoLeader.</exception>
    Task<IReadOnlyList<QueueRow>> QueueAsync(string fqrn, CancellationToken ct);

    /// <summary>The leader hands over to another node, and its node joins the cluster anew.</summary>
    /// <returns>Address of the new leader.</returns>
    /// <exception cref="PublishingException">InvalidRequest: there is no other node; NoLeader; OutcomeUnknown.</exception>
    Task<string> TransferLeadershipAsync(CancellationToken ct);

    /// <summary>Signs the whitelist anew.</summary>
    /// <returns>The new end of its validity.</returns>
    /// <exception cref="PublishingException">UnknownRepository; KeysMissing: the master key is not on the node that leads.</exception>
    Task<DateTimeOffset> RenewWhitelistAsync(string fqrn, CancellationToken ct);

    /// <summary>Goes one step towards signing with the next key, if it is time for it, see <see cref="Model.Repositories.KeyRotation"/>. Asked until it is done; repeating it is safe.</summary>
    /// <param name="fqrn">The repository.</param>
    /// <param name="by">Who asks.</param>
    /// <param name="caches">How long proxies may show an old file.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="PublishingException">UnknownRepository; KeysMissing: there is no next key, or not on every node, or the whitelist cannot be signed.</exception>
    Task<KeyRotationIs> RotateKeyAsync(string fqrn, string by, TimeSpan caches, CancellationToken ct);
}

/// <summary>A transaction as a ledger knows it.</summary>
/// <param name="Transaction">Id and builder; sizes are 0 for an open one.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Outcome">Set once it is decided.</param>
public sealed record TransactionRow(SealedTransaction Transaction, TransactionStatus Status, TransactionOutcome? Outcome);

/// <summary>A transaction that waits for a commit.</summary>
/// <param name="Transaction">The transaction.</param>
/// <param name="ArrivedAt">When the writer first heard of it.</param>
/// <param name="Tries">Batches it was part of.</param>
/// <param name="State"><c>waiting</c>, <c>deferred</c> or <c>committing</c>.</param>
public sealed record QueueRow(SealedTransaction Transaction, DateTimeOffset ArrivedAt, int Tries, string State);
