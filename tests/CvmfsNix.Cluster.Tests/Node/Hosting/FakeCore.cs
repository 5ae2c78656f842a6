using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>A core that commits whatever is sealed, each transaction once.</summary>
internal sealed class FakeCore : IPublishingCore
{
    public const string Repository = "test.example.org";

    public ConcurrentDictionary<TransactionId, TransactionView> Decided { get; } = [];

    public ConcurrentDictionary<TransactionId, RequestDigest> Open { get; } = [];

    public List<SealTransaction> Seals { get; } = [];

    public Func<SealTransaction, TransactionView>? OnSeal { get; set; }

    public bool IsReady { get; set; } = true;

    public string NotReadyReason => IsReady ? "" : "the journal does not answer";

    public string Address => "akka.tcp://cvmfsnix@127.0.0.1:8110";

    public TaskCompletionSource Terminated { get; } = new();

    public Task WhenTerminated => Terminated.Task;

    public ulong Revision { get; set; } = 1;

    public Task<RepositoryView> CreateRepositoryAsync(CreateRepository command, CancellationToken ct) =>
        command.Repository == Repository
            ? throw new PublishingException(PublishingCodes.RepositoryExists, "There is a repository of this name.", command.Repository)
            : Task.FromResult(new RepositoryView { Repository = command.Repository, Revision = 1, StoreDirectory = command.StoreDirectory, HashAlgorithm = command.HashAlgorithm.ToString() });

    /// <summary>Without a leader nobody knows the newest revision.</summary>
    public bool LeaderAnswers { get; set; } = true;

    public async Task<IReadOnlyList<RepositoryView>> ListRepositoriesAsync(CancellationToken ct) => [await GetRepositoryAsync(Repository, ct)];

    public Task<RepositoryView> GetRepositoryAsync(string fqrn, CancellationToken ct)
    {
        Check(fqrn);
        Questions++;
        return Task.FromResult(new RepositoryView { Repository = fqrn, Revision = Revision, RootHash = LeaderAnswers ? "ab" : "" });
    }

    /// <summary>The leader said a moment ago that publishes are taken.</summary>
    public bool Takes { get; set; }

    public bool TakesPublishes(string fqrn) => Takes;

    /// <summary>Questions that cost a message to another node.</summary>
    public int Questions { get; private set; }

    public Task<OpenOutcome> BeginAsync(string fqrn, TransactionId id, RequestDigest digest, bool register, CancellationToken ct)
    {
        Check(fqrn);
        Questions++;
        if (Decided.TryGetValue(id, out TransactionView? view))
            return Task.FromResult<OpenOutcome>(new OpenOutcome.Known(view));
        if (Open.TryGetValue(id, out RequestDigest first) && first != digest)
            throw new PublishingException(PublishingCodes.TransactionIdReused, "Another request.", id.ToString());
        if (register)
            Open[id] = digest;
        return Task.FromResult<OpenOutcome>(new OpenOutcome.Opened());
    }

    public Task<TransactionView> SealAsync(SealTransaction command, CancellationToken ct)
    {
        lock (Seals)
            Seals.Add(command);
        TransactionView view = OnSeal?.Invoke(command)
            ?? new TransactionView(command.Id, TransactionStatus.Committed, ++Revision, "cd", PathsNew: command.Paths);
        return Task.FromResult(Decided.GetOrAdd(command.Id, view));
    }

    public Task<TransactionView> ConcludeAsync(ConcludeTransaction command, CancellationToken ct) => Task.FromResult(Decided.GetOrAdd(
        command.Id,
        new TransactionView(command.Id, TransactionStatus.Committed, command.Revision, command.RootHash, true, PathsPresent: command.PathsPresent, ContentKept: command.ContentKept)));

    public Task<TransactionView> GetTransactionAsync(string fqrn, TransactionId id, CancellationToken ct) => Decided.TryGetValue(id, out TransactionView? view)
        ? Task.FromResult(view)
        : throw new PublishingException(PublishingCodes.UnknownTransaction, "Not known.", id.ToString());

    public Task AbortAsync(string fqrn, TransactionId id, CancellationToken ct)
    {
        Open.TryRemove(id, out _);
        return Task.CompletedTask;
    }

    public Task WaitForAppliedAsync(string fqrn, ulong revision, CancellationToken ct) =>
        revision <= Revision ? Task.CompletedTask : Task.Delay(Timeout.Infinite, ct);

    public RepositoryStore Store(string fqrn) => throw new NotSupportedException();

    public Task<ClusterStatus> StatusAsync(CancellationToken ct) => Task.FromResult(new ClusterStatus(
        Address, ["core", "stratum0"], Address, 7, [new MemberView(Address, ["core", "stratum0"], "Up", true)],
        [new RepositoryView { Repository = Repository, Revision = Revision, RootHash = "ab", Queued = 1, InFlight = 2, OpenTransactions = 3, Warning = "the whitelist expires soon" }]));

    public Task ReadyAsync(CancellationToken ct) => Task.CompletedTask;

    private static void Check(string fqrn)
    {
        if (fqrn != Repository)
            throw new PublishingException(PublishingCodes.UnknownRepository, "There is no such repository.", fqrn, "Create it first.");
    }
}
