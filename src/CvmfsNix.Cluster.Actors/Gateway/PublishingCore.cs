using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <inheritdoc cref="IPublishingCore"/>
internal sealed class PublishingCore(
    CoreSystem core,
    CoreLife life,
    CoreQuestions questions,
    RepositoryCreation creation,
    RepositoryViews views,
    TransactionCalls transactions,
    CopyConfirmation copies,
    Readiness readiness,
    LocalRepositories local,
    IReplicationCore replication,
    CoreOptions options) : IPublishingCore
{
    // The replicas are likely to be asked in vain, too.
    private static readonly TimeSpan WithoutLeader = TimeSpan.FromSeconds(1);

    public bool IsReady => NotReadyReason.Length == 0;

    public string NotReadyReason => readiness.Reason;

    public string Address => core.Address;

    public Task WhenTerminated => life.Ended;

    public Task ReadyAsync(CancellationToken ct) => readiness.FirstTime.WaitAsync(ct);

    public Task<RepositoryView> CreateRepositoryAsync(CreateRepository command, CancellationToken ct) => creation.CreateAsync(command, ct);

    public async Task<IReadOnlyList<RepositoryView>> ListRepositoriesAsync(CancellationToken ct) => views.Views(await questions.LeaderStatusAsync(ct).ConfigureAwait(false));

    public Task<RepositoryView> GetRepositoryAsync(string fqrn, CancellationToken ct) => views.GetAsync(fqrn, ct);

    public bool TakesPublishes(string fqrn) => core.Joined is not null && readiness.Taking.Contains(fqrn);

    public Task<OpenOutcome> BeginAsync(string fqrn, TransactionId id, RequestDigest digest, bool register, CancellationToken ct) => transactions.BeginAsync(fqrn, id, digest, register, ct);

    public Task<TransactionView> SealAsync(SealTransaction command, CancellationToken ct) => transactions.SealAsync(command, ct);

    public Task<TransactionView> ConcludeAsync(ConcludeTransaction command, CancellationToken ct) => transactions.ConcludeAsync(command, ct);

    public Task<TransactionView> GetTransactionAsync(string fqrn, TransactionId id, CancellationToken ct) => transactions.GetTransactionAsync(fqrn, id, ct);

    public Task AbortAsync(string fqrn, TransactionId id, CancellationToken ct) => transactions.AbortAsync(fqrn, id, ct);

    public Task WaitForAppliedAsync(string fqrn, ulong revision, CancellationToken ct) => local.Require(fqrn).WaitForRevisionAsync(revision, ct);

    public RepositoryStore Store(string fqrn) => local.Require(fqrn).Backend is StoreBackend backend
        ? backend.Store
        : throw new PublishingException(PublishingCodes.UnknownRepository, $"This node has no store of {fqrn}.", fqrn, "Ask another node.");

    public Task<bool> ConfirmAsync(string fqrn, IReadOnlyCollection<ObjectName> objects, TransactionId transaction, CancellationToken ct) =>
        copies.ConfirmAsync(local.Require(fqrn), objects, transaction, ct);

    public void CopyAhead(string fqrn, IReadOnlyCollection<ObjectName> objects, TransactionId transaction) => copies.CopyAhead(local.Require(fqrn), objects, transaction);

    public async Task<ClusterStatus> StatusAsync(CancellationToken ct)
    {
        // At once: while a leader is replaced neither is answered, and what is known of the members is wanted most.
        var replicas = core.Joined is null ? Task.FromResult<IReadOnlyList<ReplicaView>>([]) : ReplicasAsync(ct);
        var leader = await questions.LeaderStatusAsync(ct).ConfigureAwait(false);
        if (core.Joined is not { } member)
            return new ClusterStatus(Address, options.Roles, null, 0, [], views.Views(null));
        var state = member.Cluster.State;
        var members = state.Members
            .Select(m => new MemberView(m.Address.ToString(), [.. m.Roles.Where(options.Roles.Contains).Order(StringComparer.Ordinal)], m.Status.ToString(), !state.Unreachable.Contains(m)))
            .OrderBy(m => m.Address, StringComparer.Ordinal)
            .ToList();
        return new ClusterStatus(Address, options.Roles, leader?.Node, leader?.Epoch ?? 0, members, views.Views(leader)) { Replicas = await (leader is null ? InTimeAsync() : replicas).ConfigureAwait(false) };

        async Task<IReadOnlyList<ReplicaView>> InTimeAsync()
        {
            await Task.WhenAny(replicas, Task.Delay(WithoutLeader, ct)).ConfigureAwait(false);
            return replicas.IsCompletedSuccessfully ? await replicas.ConfigureAwait(false) : [];
        }
    }

    private async Task<IReadOnlyList<ReplicaView>> ReplicasAsync(CancellationToken ct)
    {
        try
        {
            return await replication.ListAsync(null, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PublishingException or JournalException or IOException)
        {
            // The rest is worth having.
            return [];
        }
    }
}
