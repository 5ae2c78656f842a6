using Akka.Actor;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Actors.Transactions;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Transfer;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>What builders ask of the ledgers, with all they need for an answer: copies, patience, and words for what keeps a decision from coming.</summary>
internal sealed class TransactionCalls(
    CoreSystem core, CoreQuestions questions, RepositoryViews views, OpenHere open, LocalRepositories local, StoreCopies copies, CoreOptions options, TimeProvider clock)
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    /// <summary>An unanswered seal is asked for again this often: its ledger may have been restarted and forgotten who asked.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    /// <summary>How long an answer waits until the revision is served here too; a convenience, not a promise.</summary>
    private static readonly TimeSpan ServedTimeout = TimeSpan.FromSeconds(5);

    public async Task<OpenOutcome> BeginAsync(string fqrn, TransactionId id, RequestDigest digest, bool register, CancellationToken ct)
    {
        var repository = local.Require(fqrn).Definition.Repository;
        var reply = await AskLedgerAsync(new Begin(repository, id, digest, register), ct).ConfigureAwait(false);
        switch (reply)
        {
            case Opened:
                if (register)
                    open.Add(fqrn, id);
                return new OpenOutcome.Opened();
            case Waiting:
                return new OpenOutcome.Known(new TransactionView(id, TransactionStatus.Sealed));
            case Decided decided:
                return new OpenOutcome.Known(await ViewAsync(fqrn, decided.Outcome, ct).ConfigureAwait(false));
            case FromTheFuture or TooOld when await views.ObstacleAsync(fqrn, ct).ConfigureAwait(false) is { Code: PublishingCodes.ClockSkew } skew:
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
        var repository = local.Require(command.Repository);
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
                reply = await questions.AskAsync<TransactionLedger>(seal, AskAgain, ct).ConfigureAwait(false);
            }
            catch (AskTimeoutException e) when (!deadline.IsCancellationRequested)
            {
                if (await WaitsForStoresAsync(repository, started, ct).ConfigureAwait(false) is { } problem)
                    throw CopyConfirmation.TooFew(command.Id.ToString(), problem, "It is sealed, and will be committed when the stores are back. Repeat the same command; the same transaction id is safe.");
                if (await views.ObstacleAsync(command.Repository, ct).ConfigureAwait(false) is { } obstacle)
                    throw new PublishingException(PublishingCodes.OutcomeUnknown, $"The transaction {command.Id} is sealed and waits: {obstacle.Message}", command.Id.ToString(), "Mend it, then seal again with the same id, or ask for its outcome.", inner: e);
                continue;
            }
            catch (AskTimeoutException e)
            {
                throw new PublishingException(PublishingCodes.OutcomeUnknown, $"The transaction {command.Id} was not decided within {options.SealTimeout.TotalSeconds:0} s; it may still be.", command.Id.ToString(), "Seal it again with the same id, or ask for its outcome.", inner: e);
            }

            if (reply is not Decided decided)
                throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply);
            open.Remove(command.Repository, command.Id);
            await ServedAsync(repository, decided.Outcome, ct).ConfigureAwait(false);
            return await ViewAsync(command.Repository, decided.Outcome, ct).ConfigureAwait(false);
        }
    }

    public async Task<TransactionView> ConcludeAsync(ConcludeTransaction command, CancellationToken ct)
    {
        var repository = local.Require(command.Repository);
        var kept = new KeptContent(command.ContentKept, null);
        if (command.ContentKept.Count > KeptContent.InlineMax && repository.Backend is StoreBackend backend)
        {
            kept = await backend.KeptAsync(command.ContentKept, ct).ConfigureAwait(false);
            if (copies.Needed && kept.BlobDigest is { } list)
                await CopyConfirmation.CopiedAsync(command.Id.ToString(), () => copies.EnsureAsync(backend.Store, [StoreItem.OfBlob(list)], command.Id.ToString(), options.CopiesTimeout, ct)).ConfigureAwait(false);
        }

        var outcome = new TransactionOutcome(
            command.Id, TransactionStatus.Committed, true, command.Revision, command.RootHash, 0, command.PathsPresent, kept, 0, null);
        var conclude = new Conclude(repository.Definition.Repository, new SealedTransaction(command.Id, command.Digest, "", 0, 0, command.Builder), outcome);
        var reply = await AskLedgerAsync(conclude, ct).ConfigureAwait(false);
        open.Remove(command.Repository, command.Id);
        return reply switch
        {
            Decided decided => await ViewAsync(command.Repository, decided.Outcome, ct).ConfigureAwait(false),
            Waiting => new TransactionView(command.Id, TransactionStatus.Sealed),
            _ => throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply),
        };
    }

    public async Task<TransactionView> GetTransactionAsync(string fqrn, TransactionId id, CancellationToken ct)
    {
        var reply = await AskLedgerAsync(new GetTransaction(local.Require(fqrn).Definition.Repository, id), ct).ConfigureAwait(false);
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
        var reply = await AskLedgerAsync(new Abort(local.Require(fqrn).Definition.Repository, id), ct).ConfigureAwait(false);
        open.Remove(fqrn, id);
        if (reply is Decided)
            reply = new TooLateToAbort(id);
        if (reply is not Aborted)
            throw LedgerReplies.Error(reply) ?? (Exception)Unexpected(reply);
    }

    // A seal that is repeated gets its answer even when there are too few stores for a new one.
    private async Task<IReadOnlyList<string>> SecureAsync(LocalRepository repository, SealTransaction command, CancellationToken ct)
    {
        if (!copies.Needed || repository.Backend is not StoreBackend backend)
            return [];
        if (!copies.CanBeMade && await AskLedgerAsync(new Begin(repository.Definition.Repository, command.Id, command.Digest, false), ct).ConfigureAwait(false) is not Opened)
            return [];
        return await CopyConfirmation.CopiedAsync(
            command.Id.ToString(),
            () => copies.EnsureBundleAsync(backend.Store, command.BundleDigest, command.Id.ToString(), options.CopiesTimeout, ct)).ConfigureAwait(false);
    }

    // The writer's words, when it has been waiting for stores for as long as a publish waits.
    private async Task<string?> WaitsForStoresAsync(LocalRepository repository, long since, CancellationToken ct)
    {
        if (!copies.Needed || clock.GetElapsedTime(since) < options.CopiesTimeout)
            return null;
        var leader = await questions.LeaderStatusAsync(ct).ConfigureAwait(false);
        var problem = leader?.Writers.FirstOrDefault(w => w.Repository == repository.Definition.Repository)?.Problem;
        return problem?.StartsWith(PublishingCodes.TooFewCopies + ": ", StringComparison.Ordinal) == true ? problem[(PublishingCodes.TooFewCopies.Length + 2)..] : null;
    }

    private Task<object> AskLedgerAsync(ITransactionMessage message, CancellationToken ct) =>
        questions.AskAsync<TransactionLedger>(message, AnswerTimeout, PublishingCodes.OutcomeUnknown, message.Id.ToString(), ct);

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

    private static InvalidOperationException Unexpected(object reply) => new($"A ledger answered with {reply}.");

    private async Task<TransactionView> ViewAsync(string fqrn, TransactionOutcome outcome, CancellationToken ct)
    {
        var kept = outcome.ContentKept.Paths;
        if (outcome.ContentKept.BlobDigest is { } digest && local.Require(fqrn).Backend is StoreBackend backend)
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
}
