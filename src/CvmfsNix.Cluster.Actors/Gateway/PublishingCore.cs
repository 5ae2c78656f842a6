using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Hosting;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Actors.Transactions;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;
using Microsoft.Extensions.Hosting;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <inheritdoc cref="IPublishingCore"/>
internal sealed class PublishingCore(CoreSystem core, CoreLife life, LocalRepositories local, StoreCopies copies, IReplicationCore replication, CoreOptions options, TimeProvider clock) : IPublishingCore, IDisposable
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CreateTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StatusTimeout = TimeSpan.FromSeconds(2);

    /// <summary>An unanswered seal is asked for again this often: its ledger may have been restarted and forgotten who asked.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    /// <summary>How long an answer waits until the revision is served here too; a convenience, not a promise.</summary>
    private static readonly TimeSpan ServedTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Packs copied ahead of their seals at the same time; the others wait for the seal.</summary>
    private const int CopiedAhead = 4;

    private readonly SemaphoreSlim _ahead = new(CopiedAhead);
    private int _disposed;
    private readonly CancellationTokenSource _stopping = new();
    private readonly KeyFolder _keys = new(options.KeysDirectory);
    private readonly ConcurrentDictionary<(string Repository, TransactionId Id), DateTimeOffset> _open = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string _notReady = "The node is starting.";
    private HashSet<string> _taking = [];

    public bool IsReady => NotReadyReason.Length == 0;

    public string NotReadyReason => Volatile.Read(ref _notReady);

    public string Address => core.Address;

    public Task WhenTerminated => life.Ended;

    // Registered under two names, it is disposed twice.
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
            return;
        _stopping.Cancel();
        _stopping.Dispose();
        _ahead.Dispose();
    }

    public Task ReadyAsync(CancellationToken ct) => _ready.Task.WaitAsync(ct);

    public async Task<RepositoryView> CreateRepositoryAsync(CreateRepository command, CancellationToken ct)
    {
        if (!RepositoryId.TryParse(command.Repository, out var repository))
            throw new PublishingException(PublishingCodes.InvalidRepositoryName, $"'{command.Repository}' is no repository name.", command.Repository, "Use 1 to 60 letters, digits, dots, dashes or underscores, as in nix.example.org.");
        await CopiedAsync(command.Repository, async () =>
        {
            await copies.WaitForStoresAsync(options.CopiesTimeout, ct).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        var request = new RepositoryProtocol.RepositoryDefinitionRequest(repository, command.StoreDirectory, HashNames.Of(command.HashAlgorithm));
        var reply = await AskToCreateAsync(new RepositoryProtocol.CreateRepository(request), command.Repository, ct).ConfigureAwait(false);
        if (reply is RepositoryProtocol.Failed failed)
            throw new PublishingException(failed.Code, failed.Message, failed.What, failed.Hint);
        var status = (reply as RepositoryProtocol.CreatedRepository)?.Status;
        while (local.Find(command.Repository) is null)
            await Task.Delay(10, ct).ConfigureAwait(false);
        await WaitForAppliedAsync(command.Repository, 1, ct).ConfigureAwait(false);
        return status is null ? await GetRepositoryAsync(command.Repository, ct).ConfigureAwait(false) : View(local.Find(command.Repository)!, status);
    }

    // A leader that is lost while it creates answers nobody. Its successor is asked again; "exists" may then mean what was asked for first.
    private async Task<object> AskToCreateAsync(RepositoryProtocol.CreateRepository command, string fqrn, CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(CreateTimeout, clock);
        for (bool asked = false; ; asked = true)
        {
            try
            {
                var reply = await AskAsync<Stratum0Leader>(command, AnswerTimeout, ct).ConfigureAwait(false);
                return asked && reply is RepositoryProtocol.Failed { Code: PublishingCodes.RepositoryExists } ? new object() : reply;
            }
            catch (AskTimeoutException e) when (deadline.IsCancellationRequested)
            {
                throw new PublishingException(PublishingCodes.NoLeader, $"Nobody answered within {CreateTimeout.TotalSeconds:0} s.", fqrn, "Try again; it is safe.", TimeSpan.FromSeconds(1), e);
            }
            catch (AskTimeoutException)
            {
                // Asked again below.
            }
        }
    }

    public async Task<IReadOnlyList<RepositoryView>> ListRepositoriesAsync(CancellationToken ct) => Views(await LeaderStatusAsync(ct).ConfigureAwait(false));

    public async Task<RepositoryView> GetRepositoryAsync(string fqrn, CancellationToken ct)
    {
        var repository = Local(fqrn);
        var leader = await LeaderStatusAsync(ct).ConfigureAwait(false);
        return View(repository, leader?.Writers.FirstOrDefault(w => w.Repository.Value == fqrn));
    }

    public bool TakesPublishes(string fqrn) => core.Joined is not null && Volatile.Read(ref _taking).Contains(fqrn);

    public async Task<OpenOutcome> BeginAsync(string fqrn, TransactionId id, RequestDigest digest, bool register, CancellationToken ct)
    {
        var repository = Local(fqrn).Definition.Repository;
        var reply = await AskLedgerAsync(new Begin(repository, id, digest, register), ct).ConfigureAwait(false);
        switch (reply)
        {
            case Opened:
                if (register)
                    _open[(fqrn, id)] = clock.GetUtcNow();
                return new OpenOutcome.Opened();
            case Waiting:
                return new OpenOutcome.Known(new TransactionView(id, TransactionStatus.Sealed));
            case Decided decided:
                return new OpenOutcome.Known(await ViewAsync(fqrn, decided.Outcome, ct).ConfigureAwait(false));
            case FromTheFuture or TooOld when await ObstacleAsync(fqrn, ct).ConfigureAwait(false) is { Code: PublishingCodes.ClockSkew } skew:
                // It is not the builder's clock that is wrong.
                throw skew;
            default:
                throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply);
        }
    }

    public async Task<TransactionView> SealAsync(SealTransaction command, CancellationToken ct)
    {
        var member = core.Joined ?? throw core.Away();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, member.Ended);
        try
        {
            return await SealAsMemberAsync(command, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            // Put out of the cluster while it copied or waited: another node has the stores, the ledgers and perhaps the answer.
            throw core.Away(e);
        }
    }

    private async Task<TransactionView> SealAsMemberAsync(SealTransaction command, CancellationToken ct)
    {
        var repository = Local(command.Repository);
        if (command.Builder.Length > SealedTransaction.BuilderLengthMax)
            throw new PublishingException(PublishingCodes.InvalidRequest, $"The builder's name has {command.Builder.Length} characters; at most {SealedTransaction.BuilderLengthMax} are allowed.", command.Id.ToString());
        var seal = new Seal(
            repository.Definition.Repository,
            new SealedTransaction(command.Id, command.Digest, command.BundleDigest, command.BundleSize, command.Paths, command.Builder)
            {
                Stores = await SecureAsync(repository, command, ct).ConfigureAwait(false),
            });
        long started = clock.GetTimestamp();
        using var deadline = new CancellationTokenSource(options.SealTimeout, clock);
        while (true)
        {
            object reply;
            try
            {
                reply = await AskAsync<TransactionLedger>(seal, AskAgain, ct).ConfigureAwait(false);
            }
            catch (AskTimeoutException e) when (!deadline.IsCancellationRequested)
            {
                if (await WaitsForStoresAsync(repository, started, ct).ConfigureAwait(false) is { } problem)
                    throw TooFewCopies(command.Id.ToString(), problem, "It is sealed, and will be committed when the stores are back. Repeat the same command; the same transaction id is safe.", null);
                if (await ObstacleAsync(command.Repository, ct).ConfigureAwait(false) is { } obstacle)
                    throw new PublishingException(PublishingCodes.OutcomeUnknown, $"The transaction {command.Id} is sealed and waits: {obstacle.Message}", command.Id.ToString(), "Mend it, then seal again with the same id, or ask for its outcome.", inner: e);
                continue;
            }
            catch (AskTimeoutException e)
            {
                throw new PublishingException(PublishingCodes.OutcomeUnknown, $"The transaction {command.Id} was not decided within {options.SealTimeout.TotalSeconds:0} s; it may still be.", command.Id.ToString(), "Seal it again with the same id, or ask for its outcome.", inner: e);
            }

            if (reply is not Decided decided)
                throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply);
            _open.TryRemove((command.Repository, command.Id), out _);
            await ServedAsync(repository, decided.Outcome, ct).ConfigureAwait(false);
            return await ViewAsync(command.Repository, decided.Outcome, ct).ConfigureAwait(false);
        }
    }

    public async Task<TransactionView> ConcludeAsync(ConcludeTransaction command, CancellationToken ct)
    {
        var repository = Local(command.Repository);
        var kept = new KeptContent(command.ContentKept, null);
        if (command.ContentKept.Count > KeptContent.InlineMax && repository.Backend is StoreBackend backend)
        {
            kept = await backend.KeptAsync(command.ContentKept, ct).ConfigureAwait(false);
            if (copies.Needed && kept.BlobDigest is { } list)
                await CopiedAsync(command.Id.ToString(), () => copies.EnsureAsync(backend.Store, [StoreItem.OfBlob(list)], command.Id.ToString(), options.CopiesTimeout, ct)).ConfigureAwait(false);
        }

        var outcome = new TransactionOutcome(
            command.Id, TransactionStatus.Committed, true, command.Revision, command.RootHash, 0, command.PathsPresent, kept, 0, null);
        var conclude = new Conclude(repository.Definition.Repository, new SealedTransaction(command.Id, command.Digest, "", 0, 0, command.Builder), outcome);
        var reply = await AskLedgerAsync(conclude, ct).ConfigureAwait(false);
        _open.TryRemove((command.Repository, command.Id), out _);
        return reply switch
        {
            Decided decided => await ViewAsync(command.Repository, decided.Outcome, ct).ConfigureAwait(false),
            Waiting => new TransactionView(command.Id, TransactionStatus.Sealed),
            _ => throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply),
        };
    }

    public async Task<TransactionView> GetTransactionAsync(string fqrn, TransactionId id, CancellationToken ct)
    {
        var reply = await AskLedgerAsync(new GetTransaction(Local(fqrn).Definition.Repository, id), ct).ConfigureAwait(false);
        return reply switch
        {
            Decided decided => await ViewAsync(fqrn, decided.Outcome, ct).ConfigureAwait(false),
            Waiting => new TransactionView(id, TransactionStatus.Sealed),
            NotSealed notSealed => new TransactionView(id, notSealed.Status),
            _ => throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply),
        };
    }

    public async Task AbortAsync(string fqrn, TransactionId id, CancellationToken ct)
    {
        var reply = await AskLedgerAsync(new Abort(Local(fqrn).Definition.Repository, id), ct).ConfigureAwait(false);
        _open.TryRemove((fqrn, id), out _);
        if (reply is Decided)
            reply = new TooLateToAbort(id);
        if (reply is not Aborted)
            throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply);
    }

    public Task WaitForAppliedAsync(string fqrn, ulong revision, CancellationToken ct) => Local(fqrn).WaitForRevisionAsync(revision, ct);

    public RepositoryStore Store(string fqrn) =>
        Local(fqrn).Backend is StoreBackend backend ? backend.Store : throw UnknownRepository(fqrn);

    public async Task<bool> ConfirmAsync(string fqrn, IReadOnlyCollection<ObjectName> objects, TransactionId transaction, CancellationToken ct)
    {
        if (!copies.Needed || Local(fqrn).Backend is not StoreBackend backend)
            return true;
        try
        {
            await CopiedAsync(transaction.ToString(), () => copies.EnsureAsync(backend.Store, [.. objects.Select(StoreItem.Of)], transaction.ToString(), options.CopiesTimeout, ct)).ConfigureAwait(false);
            return true;
        }
        catch (IncompleteStoreException)
        {
            return false;
        }
    }

    public void CopyAhead(string fqrn, IReadOnlyCollection<ObjectName> objects, TransactionId transaction)
    {
        if (!copies.Needed || Local(fqrn).Backend is not StoreBackend backend || !_ahead.Wait(0, CancellationToken.None))
            return;
        _ = Task.Run(async () =>
        {
            try
            {
                await copies.EnsureAsync(backend.Store, [.. objects.Select(StoreItem.Of)], transaction.ToString(), TimeSpan.Zero, _stopping.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or IncompleteStoreException or OperationCanceledException or ObjectDisposedException)
            {
                // The seal asks again, and waits for the answer.
            }
            finally
            {
                _ahead.Release();
            }
        });
    }

    public async Task<ClusterStatus> StatusAsync(CancellationToken ct)
    {
        var leader = await LeaderStatusAsync(ct).ConfigureAwait(false);
        if (core.Joined is not { } member)
            return new ClusterStatus(Address, options.Roles, null, 0, [], Views(null));
        var state = member.Cluster.State;
        var members = state.Members
            .Select(m => new MemberView(m.Address.ToString(), [.. m.Roles.Where(options.Roles.Contains).Order(StringComparer.Ordinal)], m.Status.ToString(), !state.Unreachable.Contains(m)))
            .OrderBy(m => m.Address, StringComparer.Ordinal)
            .ToList();
        return new ClusterStatus(Address, options.Roles, leader?.Node, leader?.Epoch ?? 0, members, Views(leader)) { Replicas = await ReplicasAsync(ct).ConfigureAwait(false) };
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

    /// <summary>Looks whether this node takes publishes now; called by the <see cref="ReadinessMonitor"/>.</summary>
    public async Task CheckReadinessAsync(CancellationToken ct)
    {
        var reason = await ReasonAsync(ct).ConfigureAwait(false);
        Volatile.Write(ref _notReady, reason);
        if (reason.Length == 0)
            _ready.TrySetResult();
        foreach (var stale in _open.Where(o => o.Value + options.OpenTransactionExpiry < clock.GetUtcNow()).ToList())
            _open.TryRemove(stale);
    }

    // What somebody has to mend before the repository takes anything; null when there is no such thing.
    private async Task<PublishingException?> ObstacleAsync(string fqrn, CancellationToken ct) =>
        (await GetRepositoryAsync(fqrn, ct).ConfigureAwait(false)).Obstacle;

    private async Task<string> ReasonAsync(CancellationToken ct)
    {
        if (core.Joined is null)
            return core.Reason;
        if (!local.RegistryRead)
            return "The journal has not been read yet.";
        var leader = await LeaderStatusAsync(ct).ConfigureAwait(false);
        Volatile.Write(ref _taking, leader is null ? [] : [.. leader.Writers.Where(w => w.Problem.Length == 0).Select(w => w.Repository.Value)]);
        if (leader is null)
            return "No leader answers.";
        foreach (var writer in leader.Writers)
        {
            if (writer.Problem.Length > 0)
                return $"{writer.Repository}: {writer.Problem}";
            if (local.Find(writer.Repository.Value) is not { CaughtUp: true } repository)
                return $"{writer.Repository}: this node's store has not caught up with the journal yet.";
            if (repository.Problem is { } problem)
                return $"{writer.Repository}: {problem}";
            // It may be this node's turn to lead at any moment.
            if (options.Seeds.Count > 0 && TryKeys(writer.Repository.Value) is null)
                return $"{writer.Repository}: its signing key is not in {_keys.Directory}. Copy it from the node that created the repository.";
        }

        return "";
    }

    private async Task<RepositoryProtocol.LeaderStatus?> LeaderStatusAsync(CancellationToken ct)
    {
        try
        {
            return (RepositoryProtocol.LeaderStatus)await AskAsync<Stratum0Leader>(new RepositoryProtocol.GetLeaderStatus(), StatusTimeout, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is AskTimeoutException or PublishingException)
        {
            return null;
        }
    }

    // A seal that is repeated gets its answer even when there are too few stores for a new one.
    private async Task<IReadOnlyList<string>> SecureAsync(LocalRepository repository, SealTransaction command, CancellationToken ct)
    {
        if (!copies.Needed || repository.Backend is not StoreBackend backend)
            return [];
        if (!copies.CanBeMade && await AskLedgerAsync(new Begin(repository.Definition.Repository, command.Id, command.Digest, false), ct).ConfigureAwait(false) is not Opened)
            return [];
        return await CopiedAsync(
            command.Id.ToString(),
            () => copies.EnsureBundleAsync(backend.Store, command.BundleDigest, command.Id.ToString(), options.CopiesTimeout, ct)).ConfigureAwait(false);
    }

    private static async Task<T> CopiedAsync<T>(string what, Func<Task<T>> copy)
    {
        try
        {
            return await copy().ConfigureAwait(false);
        }
        catch (TooFewCopiesException e)
        {
            throw TooFewCopies(what, e.Message, "Bring stores back, or wait until they are; the number of copies is never lowered by itself. The same transaction id is safe.", e);
        }
    }

    private static PublishingException TooFewCopies(string what, string problem, string hint, Exception? inner) =>
        new(PublishingCodes.TooFewCopies, problem, what, hint, TimeSpan.FromSeconds(2), inner);

    // The writer's words, when it has been waiting for stores for as long as a publish waits.
    private async Task<string?> WaitsForStoresAsync(LocalRepository repository, long since, CancellationToken ct)
    {
        if (!copies.Needed || clock.GetElapsedTime(since) < options.CopiesTimeout)
            return null;
        var leader = await LeaderStatusAsync(ct).ConfigureAwait(false);
        var problem = leader?.Writers.FirstOrDefault(w => w.Repository == repository.Definition.Repository)?.Problem;
        return problem?.StartsWith(PublishingCodes.TooFewCopies + ": ", StringComparison.Ordinal) == true ? problem[(PublishingCodes.TooFewCopies.Length + 2)..] : null;
    }

    private Task<object> AskLedgerAsync(ITransactionMessage message, CancellationToken ct) =>
        AskAsync<TransactionLedger>(message, AnswerTimeout, PublishingCodes.OutcomeUnknown, message.Id.ToString(), ct);

    private async Task<object> AskAsync<TActor>(object message, TimeSpan timeout, string code, string what, CancellationToken ct)
    {
        try
        {
            return await AskAsync<TActor>(message, timeout, ct).ConfigureAwait(false);
        }
        catch (AskTimeoutException e)
        {
            throw new PublishingException(code, $"Nobody answered within {timeout.TotalSeconds:0} s.", what, "Try again; it is safe.", TimeSpan.FromSeconds(1), e);
        }
    }

    // A node that is in no cluster, or was put out while it waited, says so at once: the caller has other nodes to ask.
    private async Task<object> AskAsync<TActor>(object message, TimeSpan timeout, CancellationToken ct)
    {
        var member = core.Joined ?? throw core.Away();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, member.Ended);
        try
        {
            return await member.Registry.Get<TActor>().Ask<object>(message, timeout, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw core.Away(e);
        }
    }

    private static async Task ServedAsync(LocalRepository repository, TransactionOutcome outcome, CancellationToken ct)
    {
        if (outcome.Status != TransactionStatus.Committed)
            return;
        try
        {
            await repository.WaitForRevisionAsync(outcome.Revision, ct).WaitAsync(ServedTimeout, ct).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Committed all the same; who must see it here waits with WaitForAppliedAsync.
        }
    }

    private LocalRepository Local(string fqrn) => local.Find(fqrn) ?? throw UnknownRepository(fqrn);

    // Before the registry is read a node knows of no repository at all: a builder that comes back to a node just started must not be
    // told, for good, that its repository does not exist.
    private PublishingException UnknownRepository(string fqrn) => local.RegistryRead
        ? new(PublishingCodes.UnknownRepository, $"There is no repository {fqrn}.", fqrn, "Create it first, or check the name.")
        : new(PublishingCodes.NoLeader, "This node is starting and has not read the journal yet.", fqrn, "Try again; it is safe.", TimeSpan.FromSeconds(1));

    private static InvalidOperationException Unexpected(object reply) => new($"A ledger answered with {reply}.");

    private async Task<TransactionView> ViewAsync(string fqrn, TransactionOutcome outcome, CancellationToken ct)
    {
        var kept = outcome.ContentKept.Paths;
        if (outcome.ContentKept.BlobDigest is { } digest && Local(fqrn).Backend is StoreBackend backend)
        {
            // The list was written by the node that was asked first, or by the leader.
            if (!backend.Store.Blobs.Contains(digest))
                await copies.PullAsync(backend.Store, [StoreItem.OfBlob(digest)], ct).ConfigureAwait(false);
            if (backend.Store.Blobs.OpenRead(digest) is { } blob)
            {
                using var reader = new StreamReader(blob);
                kept = (await reader.ReadToEndAsync(ct).ConfigureAwait(false)).Split('\n');
            }
        }

        return LedgerReplies.View(outcome, kept);
    }

    private List<RepositoryView> Views(RepositoryProtocol.LeaderStatus? leader) =>
        [.. local.All
            .OrderBy(r => r.Definition.Repository.Value, StringComparer.Ordinal)
            .Select(r => View(r, leader?.Writers.FirstOrDefault(w => w.Repository == r.Definition.Repository)))];

    private RepositoryView View(LocalRepository repository, RepositoryProtocol.WriterStatus? writer)
    {
        var definition = repository.Definition;
        var fqrn = definition.Repository.Value;
        var usage = (repository.Backend as StoreBackend)?.Store.Usage;
        var keys = TryKeys(fqrn);
        return new RepositoryView
        {
            Repository = fqrn,
            Revision = Math.Max(writer?.Revision ?? 0, repository.Revision),
            // Never the root hash of another revision: a writer that is being started, or was superseded, is behind this node.
            RootHash = writer is not null && writer.Revision >= repository.Revision ? writer.RootHash : "",
            PublishedAt = writer?.PublishedAt ?? DateTimeOffset.UnixEpoch,
            Paths = writer?.Paths ?? 0,
            Objects = usage?.Objects ?? 0,
            StoredBytes = usage?.StoredBytes ?? 0,
            WhitelistExpiresAt = writer?.WhitelistExpiresAt ?? DateTimeOffset.UnixEpoch,
            PublicKeyFile = _keys.PublicKeyFile(fqrn),
            PublicKeyPem = keys?.Cvmfs.MasterPublicKeyPem ?? "",
            NixPublicKey = keys?.Nix.PublicKey.ToString() ?? "",
            StoreDirectory = definition.StoreDirectory.Value,
            HashAlgorithm = HashNames.Of(definition.HashAlgorithm),
            Queued = writer?.Queued ?? 0,
            InFlight = writer?.InFlight ?? 0,
            OpenTransactions = _open.Keys.Count(o => o.Repository == fqrn),
            ProblemCode = writer is { ProblemCode.Length: > 0 } ? writer.ProblemCode : null,
            Warning = writer is { Warning.Length: > 0 } ? writer.Warning : null,
            Problem = writer is null ? "The leader does not answer." : writer.Problem.Length > 0 ? writer.Problem : repository.Problem,
        };
    }

    private readonly ConcurrentDictionary<string, RepositoryKeySet> _loadedKeys = new(StringComparer.Ordinal);

    private RepositoryKeySet? TryKeys(string fqrn)
    {
        if (_loadedKeys.TryGetValue(fqrn, out var known))
            return known;
        try
        {
            return _keys.TryLoad(fqrn) is { } loaded ? _loadedKeys.GetOrAdd(fqrn, loaded) : null;
        }
        catch (KeyFileException)
        {
            // The writer reports it; a view without keys is better than none.
            return null;
        }
    }
}

/// <summary>Watches whether this node takes publishes.</summary>
internal sealed class ReadinessMonitor(PublishingCore core) : BackgroundService
{
    private static readonly TimeSpan WhileStarting = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan WhileReady = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await core.CheckReadinessAsync(stoppingToken).ConfigureAwait(false);
            await Task.Delay(core.IsReady ? WhileReady : WhileStarting, stoppingToken).ConfigureAwait(false);
        }
    }
}
