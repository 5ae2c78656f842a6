using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>
/// The cluster as gRPC services and HTTP endpoints see it. Thread-safe. Every method throws <see cref="PublishingException"/> for
/// what the caller can act on; nothing is answered that is not durable.
/// </summary>
public interface IPublishingCore
{
    /// <summary>Creates a repository and returns once its first revision is in the journal and served here.</summary>
    Task<RepositoryView> CreateRepositoryAsync(CreateRepository command, CancellationToken ct);

    /// <summary>All repositories, by name.</summary>
    Task<IReadOnlyList<RepositoryView>> ListRepositoriesAsync(CancellationToken ct);

    /// <exception cref="PublishingException">UnknownRepository.</exception>
    Task<RepositoryView> GetRepositoryAsync(string fqrn, CancellationToken ct);

    /// <summary>
    /// Whether the leader said a moment ago that the repository takes publishes. Asks nobody. A publish may rely on it to be begun: what has
    /// changed since, its seal finds out.
    /// </summary>
    bool TakesPublishes(string fqrn) => false;

    /// <summary>
    /// Opens a transaction, or finds out what became of it. With <paramref name="register"/> false it only looks: Opened then means "nothing known".
    /// Repeating it tells the ledger that the builder is alive.
    /// </summary>
    /// <exception cref="PublishingException">TransactionIdReused, TransactionTooOld, TransactionAborted, UnknownRepository.</exception>
    Task<OpenOutcome> BeginAsync(string fqrn, TransactionId id, RequestDigest digest, bool register, CancellationToken ct);

    /// <summary>Makes the transaction durable and completes when the leader has decided it. Safe to repeat.</summary>
    /// <exception cref="PublishingException">OutcomeUnknown when no decision came in time; Overloaded; as <see cref="BeginAsync"/>.</exception>
    Task<TransactionView> SealAsync(SealTransaction command, CancellationToken ct);

    /// <summary>
    /// Records that a request found everything it asked for, and returns the answer of record: this one, or an earlier one. Durable on return.
    /// </summary>
    /// <exception cref="PublishingException">As <see cref="BeginAsync"/>.</exception>
    Task<TransactionView> ConcludeAsync(ConcludeTransaction command, CancellationToken ct);

    /// <exception cref="PublishingException">UnknownTransaction.</exception>
    Task<TransactionView> GetTransactionAsync(string fqrn, TransactionId id, CancellationToken ct);

    /// <summary>Gives up an open transaction; also when it is not known.</summary>
    /// <exception cref="PublishingException">TransactionSealed: too late.</exception>
    Task AbortAsync(string fqrn, TransactionId id, CancellationToken ct);

    /// <summary>Completes when this node serves at least that revision. The caller's token bounds the wait.</summary>
    Task WaitForAppliedAsync(string fqrn, ulong revision, CancellationToken ct);

    /// <summary>The local store of a repository.</summary>
    /// <exception cref="PublishingException">UnknownRepository: not known on this node (yet).</exception>
    RepositoryStore Store(string fqrn);

    /// <summary>
    /// Makes committed objects, which a builder is about to be told it need not send, as durable as if it had sent them. With one copy there
    /// is nothing to do.
    /// </summary>
    /// <returns>False when some of them are on no reachable store: the builder has to send the content.</returns>
    /// <exception cref="PublishingException">TooFewCopies.</exception>
    Task<bool> ConfirmAsync(string fqrn, IReadOnlyCollection<ObjectName> objects, TransactionId transaction, CancellationToken ct) => Task.FromResult(true);

    /// <summary>
    /// Starts to copy what a builder has sent, while it sends more, so that its seal has little left to wait for. Promises nothing and never
    /// blocks.
    /// </summary>
    void CopyAhead(string fqrn, IReadOnlyCollection<ObjectName> objects, TransactionId transaction)
    {
    }

    /// <summary>Members, leader, queues. Asks the leader; what does not answer in time is left at its default.</summary>
    Task<ClusterStatus> StatusAsync(CancellationToken ct);

    /// <summary>Completes when this node accepts publishes for the first time.</summary>
    Task ReadyAsync(CancellationToken ct);

    /// <summary>True while the journal is reachable, the leader is known and every local store is complete.</summary>
    bool IsReady { get; }

    /// <summary>One line why not; empty when ready.</summary>
    string NotReadyReason { get; }

    /// <summary>Remoting address, <c>akka.tcp://cvmfsnix@host:port</c>, with the real port. Known once the host has started.</summary>
    string Address { get; }

    /// <summary>Completes when the actor system has ended, asked or not: a downed node, a lost leadership.</summary>
    Task WhenTerminated { get; }
}
