using System.Diagnostics;
using System.Globalization;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Tracing;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Metrics;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf.Collections;
using Microsoft.Extensions.Logging;
using ConflictPolicy = CvmfsNix.Cluster.Store.Records.ConflictPolicy;
using StoredContent = CvmfsNix.Cluster.Store.Trees.StoredContent;
using TransactionOutcome = CvmfsNix.Cluster.Contracts.Publishing.TransactionOutcome;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>
/// The builder's way through this node: what is missing, what may be sent, what became of it. Decides nothing about a commit; that is the
/// writer's. A call for a transaction that is decided already gets the first answer, whatever session there was.
/// </summary>
public sealed class PublishingGateway(
    IPublishingCore core, IRepositoryGate gate, GatewaySessions sessions, GatewayLimits limits, NodeMetrics metrics, TimeProvider time, ILogger<PublishingGateway> log)
{
    /// <summary>Paths of one question.</summary>
    public const int PathsPerQuestionMax = 1_000;

    /// <summary>Contents of one question.</summary>
    public const int ContentsPerQuestionMax = 4_096;

    private const int BuilderLengthMax = SealedTransaction.BuilderLengthMax;
    private const int ProfileLengthMax = 200;
    private static readonly TimeSpan DecisionPoll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan DecisionWait = TimeSpan.FromMinutes(2);

    /// <summary>Opens a transaction or tells what became of it; answers for the first paths.</summary>
    /// <param name="request">As the builder sent it.</param>
    /// <param name="uploadUrl">Where packs of this transaction go.</param>
    /// <param name="ct">Ends the call.</param>
    public async Task<BeginReply> BeginAsync(BeginRequest request, string uploadUrl, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        TransactionId id = Requests.Transaction(request.Transaction);
        RequestDigest digest = Requests.RequestDigest(request.RequestDigest.Span);
        CheckProfile(request.Profile);
        var reply = new BeginReply { UploadUrl = uploadUrl };

        if (await BeginAtOnceAsync(request, repository, id, digest, reply, ct))
            return reply;

        // Only a look at first. The ledger learns of the transaction once there is something to commit, so that a request that
        // needs nothing leaves no open transaction behind and can be repeated for ever.
        OpenOutcome known = await core.BeginAsync(repository, id, digest, register: false, ct);
        GateFormat format = gate.Format(repository);
        reply.StoreDirectory = format.StoreDirectory.Value;
        reply.HashAlgorithm = OutcomeMapping.NameOf(format.HashAlgorithm);
        if (known is OpenOutcome.Known decided)
            return WithOutcome(reply, decided);

        bool refusesDifferent = request.Conflict == Contracts.Publishing.ConflictPolicy.Refuse;
        (reply.Paths, PublishingException? obstacle) = await FindAsync(repository, request.Paths, refusesDifferent, ct);
        bool work = request.Profile.Length > 0 || reply.Paths.Presence.Contains(PathPresence.Missing);
        bool closedToPaths = false;
        await using (SessionUse? before = sessions.Find(repository, id))
        {
            work |= before?.Session.HasWork == true;
            closedToPaths = before?.Session.Bundle is not null;
        }

        log.LogInformation(
            "Transaction {Transaction} of {Repository}: {Builder} asks for {Paths} paths, {Missing} of them missing",
            id, repository, Builder(request.Builder), request.Paths.Count, reply.Paths.Presence.Count(p => p == PathPresence.Missing));
        string[] kept = [.. Different(request.Paths, reply.Paths)];
        if (request.Last && !work)
        {
            RequireRevision(repository, reply.Paths);
            TransactionView first = await core.ConcludeAsync(
                new ConcludeTransaction(repository, id, digest, reply.Paths.Revision, reply.Paths.RootHash, request.Paths.Count, kept, Builder(request.Builder)), ct);
            if (!first.Unchanged || first.Revision != reply.Paths.Revision)
                return WithOutcome(reply, new OpenOutcome.Known(first));
            reply.Paths.Unchanged = true;
            return reply;
        }

        // Before anything is sent, not after: whoever has to mend it is rarely quick.
        if (work && obstacle is not null)
            throw obstacle;
        if (work && await core.BeginAsync(repository, id, digest, register: true, ct) is OpenOutcome.Known now)
            return WithOutcome(reply, now);
        // A seal that the ledger refused for the moment (busy, no leader) leaves a session that takes no more paths, and its builder begins
        // again: it gets a fresh one. What was staged is in the store and cheap to stage again.
        if (closedToPaths)
            await sessions.CloseAsync(repository, id);
        await OpenSessionAsync(request, repository, id, digest, work, kept);
        return reply;
    }

    // The common case, a request with paths that the repository lacks, in one question to the ledger: that they may be sent, the leader said a
    // moment ago; which revision is the newest, nobody who sends them needs to know. False: nothing was done.
    private async Task<bool> BeginAtOnceAsync(BeginRequest request, string repository, TransactionId id, RequestDigest digest, BeginReply reply, CancellationToken ct)
    {
        if (!request.Last || !core.TakesPublishes(repository))
            return false;
        PathPresence[] presence = Presence(request.Paths, gate.FindPaths(repository, Names(request.Paths)));
        if (!presence.Contains(PathPresence.Missing) || presence.Contains(PathPresence.Different))
            return false;
        GateFormat format = gate.Format(repository);
        reply.StoreDirectory = format.StoreDirectory.Value;
        reply.HashAlgorithm = OutcomeMapping.NameOf(format.HashAlgorithm);
        if (await core.BeginAsync(repository, id, digest, register: true, ct) is OpenOutcome.Known known)
        {
            WithOutcome(reply, known);
            return true;
        }

        reply.Paths = new FindPathsReply { Presence = { presence } };
        log.LogInformation(
            "Transaction {Transaction} of {Repository}: {Builder} asks for {Paths} paths, {Missing} of them missing",
            id, repository, Builder(request.Builder), request.Paths.Count, presence.Count(p => p == PathPresence.Missing));
        bool closedToPaths;
        await using (SessionUse? before = sessions.Find(repository, id))
            closedToPaths = before?.Session.Bundle is not null;
        if (closedToPaths)
            await sessions.CloseAsync(repository, id);
        await OpenSessionAsync(request, repository, id, digest, true, []);
        return true;
    }

    private async Task OpenSessionAsync(BeginRequest request, string repository, TransactionId id, RequestDigest digest, bool work, IReadOnlyList<string> kept)
    {
        await using SessionUse use = await sessions.OpenAsync(repository, id, digest);
        GatewaySession session = use.Session;
        session.HasWork |= work;
        session.RefusesDifferent = request.Conflict == Contracts.Publishing.ConflictPolicy.Refuse;
        session.Builder = Builder(request.Builder);
        session.PathsPresent = request.Paths.Count;
        session.ContentKept.Clear();
        session.ContentKept.AddRange(kept);
    }

    /// <summary>Answers for further paths of an open transaction.</summary>
    public async Task<FindPathsReply> FindPathsAsync(FindPathsRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        TransactionId id = Requests.Transaction(request.Transaction);
        await using SessionUse use = sessions.Get(repository, id);
        (FindPathsReply reply, PublishingException? obstacle) = await FindAsync(repository, request.Paths, use.Session.RefusesDifferent, ct);
        use.Session.PathsPresent += request.Paths.Count;
        use.Session.ContentKept.AddRange(Different(request.Paths, reply));
        if (!use.Session.HasWork && reply.Presence.Contains(PathPresence.Missing))
        {
            if (obstacle is not null)
                throw obstacle;
            // Known already: begun and sealed over another node meanwhile. A new begin tells the builder what became of it.
            if (await core.BeginAsync(repository, id, use.Session.Digest, register: true, ct) is OpenOutcome.Known)
                throw new NodeException(GatewaySessions.NotOpen(id));
            use.Session.HasWork = true;
        }

        if (request.Last && !use.Session.HasWork)
        {
            RequireRevision(repository, reply);
            GatewaySession session = use.Session;
            TransactionView first = await core.ConcludeAsync(
                new ConcludeTransaction(repository, id, session.Digest, reply.Revision, reply.RootHash, session.PathsPresent, [.. session.ContentKept], session.Builder), ct);
            await sessions.CloseAsync(repository, id);
            // Decided meanwhile over another node: a new begin tells the builder how.
            if (!first.Unchanged)
                throw new NodeException(GatewaySessions.NotOpen(id));
            reply.Unchanged = true;
            log.LogInformation("Transaction {Transaction} of {Repository}: all paths are present", id, repository);
        }

        return reply;
    }

    /// <summary>Where contents lie, in the order asked.</summary>
    public async Task<IReadOnlyList<StoredContent?>> FindContentAsync(FindContentRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Sha256.Count > ContentsPerQuestionMax)
            throw Requests.Invalid("contents", $"{request.Sha256.Count} contents are asked for at once; at most {ContentsPerQuestionMax} are answered.");
        await using SessionUse use = sessions.Get(Requests.Repository(request.Repository), Requests.Transaction(request.Transaction));
        if (use.Session.Bundle is not null)
            throw new NodeException(GatewaySessions.NotOpen(use.Session.Id));
        ContentDigest[] digests = [.. request.Sha256.Select(d => Requests.Digest(d.Span))];
        IReadOnlyList<StoredContent?> found = use.Session.Staging.FindContent(digests);
        HashSet<ObjectName> objects = [.. found.OfType<StoredContent>().SelectMany(PathObjects.Of)];
        // A builder does not send what it is told is here: that must be as safe as what it sends.
        return objects.Count == 0 || await core.ConfirmAsync(use.Session.Repository, objects, use.Session.Id, ct) ? found : new StoredContent?[found.Count];
    }

    /// <summary>Makes a transaction durable, waits for its decision, and then for this node to serve it.</summary>
    public async Task<TransactionOutcome> SealAsync(SealRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        TransactionId id = Requests.Transaction(request.Transaction);
        RequestDigest digest = Requests.RequestDigest(request.RequestDigest.Span);
        BundleHeader header = Header(request, repository, id);
        long started = Stopwatch.GetTimestamp();
        SessionUse? use = sessions.Find(repository, id);
        long began = use?.Session.BeganAt ?? started;
        TransactionView view = use is null
            ? await DecidedAsync(repository, id, digest, ct)
            : await SealAsync(use, header, digest, Builder(request.Builder), ct);
        if (view.Status == TransactionStatus.Committed)
            await AppliedAsync(repository, view.Revision, ct);
        LogOutcome(repository, view, Stopwatch.GetElapsedTime(started));
        metrics.Published(repository, view.Unchanged ? "unchanged" : view.Status.ToString().ToLowerInvariant(), Stopwatch.GetElapsedTime(began));
        if (PublishSteps.Followed)
            TellStep(repository, view, Stopwatch.GetElapsedTime(began));
        return OutcomeMapping.ToOutcome(view);
    }

    /// <summary>Gives a committed path more signatures: a transaction like any other, that brings nothing else. May be repeated with the same id.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="id">The transaction.</param>
    /// <param name="digest">Of the request.</param>
    /// <param name="signed">The path with the signatures it is to get.</param>
    /// <param name="builder">Who asks.</param>
    /// <param name="ct">Ends the call.</param>
    internal async Task<TransactionOutcome> SignAsync(string repository, TransactionId id, RequestDigest digest, PathInfo signed, string builder, CancellationToken ct)
    {
        long started = Stopwatch.GetTimestamp();
        TransactionView view;
        if (await core.BeginAsync(repository, id, digest, register: true, ct) is OpenOutcome.Known known)
        {
            view = IsDecided(known.Transaction) ? known.Transaction : await DecisionAsync(repository, id, ct);
        }
        else
        {
            var header = new BundleHeader(repository, id.Value, ConflictPolicy.Keep, null, null) { Signed = [signed] };
            view = await SealAsync(await sessions.OpenAsync(repository, id, digest), header, digest, Builder(builder), ct);
        }

        if (view.Status == TransactionStatus.Committed)
            await AppliedAsync(repository, view.Revision, ct);
        LogOutcome(repository, view, Stopwatch.GetElapsedTime(started));
        return OutcomeMapping.ToOutcome(view);
    }

    private void TellStep(string repository, TransactionView view, TimeSpan took)
    {
        DateTimeOffset now = time.GetUtcNow();
        PublishSteps.Tell(new PublishStep(view.Id, PublishStep.Gateway, now - took, now, new Dictionary<string, string>
        {
            ["cvmfsnix.repository"] = repository,
            ["cvmfsnix.status"] = view.Unchanged ? "unchanged" : view.Status.ToString().ToLowerInvariant(),
            ["cvmfsnix.revision"] = view.Revision.ToString(CultureInfo.InvariantCulture),
            ["cvmfsnix.paths.new"] = view.PathsNew.ToString(CultureInfo.InvariantCulture),
        }) { Failed = view.Status == TransactionStatus.Rejected });
    }

    /// <summary>Gives a transaction up.</summary>
    public async Task AbortAsync(AbortRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        TransactionId id = Requests.Transaction(request.Transaction);
        await core.AbortAsync(repository, id, ct);
        await sessions.CloseAsync(repository, id);
        log.LogInformation("Transaction {Transaction} of {Repository}: aborted by its builder", id, repository);
    }

    private async Task<TransactionView> SealAsync(SessionUse use, BundleHeader header, RequestDigest digest, string builder, CancellationToken ct)
    {
        await using SessionUse held = use;
        GatewaySession session = use.Session;
        if (session.Digest != digest)
        {
            throw new NodeException(new NodeError(
                PublishingCodes.TransactionIdReused, "The transaction was begun with another request.", session.Id.ToString(), "Use a new transaction id for another request."));
        }

        await session.Sealing.WaitAsync(ct);
        TransactionView view;
        try
        {
            if (session.Bundle is null)
            {
                session.Bundle = await session.Staging.SealAsync(header, ct);
                log.LogInformation(
                    "Transaction {Transaction} of {Repository}: sealed with {Paths} verified paths, {Objects} objects of {Bytes} bytes received",
                    session.Id, session.Repository, session.Bundle.Paths, session.Staging.ObjectsReceived, session.Staging.BytesStored);
                // The bundle is all that is needed from here on. Commits are waited for, and what is staged takes memory.
                await session.Staging.DisposeAsync();
            }

            DurableBundle bundle = session.Bundle;
            view = await core.SealAsync(new SealTransaction(session.Repository, session.Id, digest, bundle.Digest, bundle.Size, bundle.Paths, builder), ct);
        }
        finally
        {
            session.Sealing.Release();
        }

        // Only a decision ends the session: while the outcome is unknown a repeated seal must find the same bundle.
        await sessions.CloseAsync(session.Repository, session.Id);
        return view;
    }

    // No session: the seal is a repetition, or the node forgot what was sent.
    private async Task<TransactionView> DecidedAsync(string repository, TransactionId id, RequestDigest digest, CancellationToken ct)
    {
        if (await core.BeginAsync(repository, id, digest, register: false, ct) is not OpenOutcome.Known known)
            throw new NodeException(GatewaySessions.NotOpen(id));
        return IsDecided(known.Transaction) ? known.Transaction : await DecisionAsync(repository, id, ct);
    }

    private async Task<TransactionView> DecisionAsync(string repository, TransactionId id, CancellationToken ct)
    {
        long started = time.GetTimestamp();
        while (time.GetElapsedTime(started) < DecisionWait)
        {
            TransactionView view = await core.GetTransactionAsync(repository, id, ct);
            if (IsDecided(view))
                return view;
            await Task.Delay(DecisionPoll, time, ct);
        }

        throw new NodeException(new NodeError(
            PublishingCodes.OutcomeUnknown, "The transaction is sealed and not decided yet.", id.ToString(), "Repeat the same command; the same transaction id is safe.", TimeSpan.FromSeconds(1)));
    }

    // The commit is a fact already: a node that is slow to serve it delays the answer, it does not change it.
    private async Task AppliedAsync(string repository, ulong revision, CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bounded.CancelAfter(limits.AppliedWait);
        try
        {
            await core.WaitForAppliedAsync(repository, revision, bounded.Token);
        }
        catch (Exception e) when (e is PublishingException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            log.LogWarning("Revision {Revision} of {Repository} is committed, but this node does not serve it yet: {Reason}", revision, repository, e.Message);
        }
    }

    private static IEnumerable<string> Different(RepeatedField<PathQuery> queries, FindPathsReply reply) =>
        queries.Where((_, i) => reply.Presence[i] == PathPresence.Different).Select(q => q.Path);

    private async Task<(FindPathsReply Reply, PublishingException? Obstacle)> FindAsync(string repository, RepeatedField<PathQuery> queries, bool refusesDifferent, CancellationToken ct)
    {
        StorePathName[] names = Names(queries);
        // The revision is read last: every path that the index knows by then is in the revision named with it.
        IReadOnlyList<NarHash?> found = gate.FindPaths(repository, names);
        RepositoryView repositoryNow = await core.GetRepositoryAsync(repository, ct);
        var reply = new FindPathsReply { Revision = repositoryNow.Revision, RootHash = repositoryNow.RootHash, Presence = { Presence(queries, found) } };
        for (int i = 0; i < names.Length; i++)
        {
            if (reply.Presence[i] == PathPresence.Different && (refusesDifferent || queries[i].ContentAddressed))
            {
                throw Conflict(repository, names[i], new NarHash(queries[i].NarHash.Span), queries[i].ContentAddressed);
            }
        }

        return (reply, repositoryNow.Obstacle);
    }

    private static StorePathName[] Names(RepeatedField<PathQuery> queries)
    {
        if (queries.Count > PathsPerQuestionMax)
            throw Requests.Invalid("paths", $"{queries.Count} paths are asked for at once; at most {PathsPerQuestionMax} are answered.");
        var names = new StorePathName[queries.Count];
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = Requests.StorePath(queries[i].Path);
            if (queries[i].NarHash.Length != NarHash.Size)
                throw Requests.Invalid(names[i].Value, $"Its NAR hash has {queries[i].NarHash.Length} bytes, not {NarHash.Size}.");
        }

        return names;
    }

    private static PathPresence[] Presence(RepeatedField<PathQuery> queries, IReadOnlyList<NarHash?> found) =>
    [
        .. found.Select((hash, i) => hash switch
        {
            null => PathPresence.Missing,
            { } committed when committed == new NarHash(queries[i].NarHash.Span) => PathPresence.Present,
            _ => PathPresence.Different,
        }),
    ];

    // "All there" is an answer for ever: it names a revision with its root hash, and only the leader knows the newest.
    private static void RequireRevision(string repository, FindPathsReply reply)
    {
        if (reply.RootHash.Length == 0)
        {
            throw new NodeException(new NodeError(
                PublishingCodes.NoLeader, "The leader does not answer at present, so it is not known which revision is the newest.", repository, "Try again; it is safe.", TimeSpan.FromSeconds(1)));
        }
    }

    private NodeException Conflict(string repository, StorePathName path, NarHash asked, bool contentAddressed)
    {
        string committed = gate.FindRegistration(repository, path) is { } there ? $"NAR hash {there.Info.NarHash} and {there.Info.NarSize} bytes since revision {there.Revision}" : "another NAR hash";
        return new NodeException(new NodeError(
            "StorePathConflict",
            $"The path is there already with another content: it has {committed}, this request has NAR hash {asked}. A committed path never changes.",
            gate.Format(repository).StoreDirectory.FullPath(path),
            contentAddressed
                ? "The path is addressed by its content, so one of the two is damaged: check the builder's with nix-store --verify-path."
                : "Publish with --conflict keep to keep the first content."));
    }

    private static BundleHeader Header(SealRequest request, string repository, TransactionId id)
    {
        CheckProfile(request.Profile);
        if (request.Profile.Length > 0 != request.ProfileTarget.Length > 0)
            throw Requests.Invalid("profile", "A profile and the path it points at go together.");
        ConflictPolicy conflict = request.Conflict switch
        {
            Contracts.Publishing.ConflictPolicy.Keep => ConflictPolicy.Keep,
            Contracts.Publishing.ConflictPolicy.Refuse => ConflictPolicy.Refuse,
            _ => throw Requests.Invalid("conflict", $"The policy {(int)request.Conflict} is not known."),
        };
        return new BundleHeader(
            repository,
            id.Value,
            conflict,
            request.Profile.Length == 0 ? null : request.Profile,
            request.ProfileTarget.Length == 0 ? null : Requests.StorePath(request.ProfileTarget))
        {
            DespiteWithdrawal = request.DespiteWithdrawal,
        };
    }

    private static void CheckProfile(string profile)
    {
        if (profile.Length > ProfileLengthMax || profile is "." or ".." || !profile.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '+'))
            throw Requests.Invalid("profile", $"A profile's name has at most {ProfileLengthMax} letters, digits, dots, dashes, underscores or plus signs.");
    }

    private static string Builder(string text)
    {
        string printable = new([.. text.Take(BuilderLengthMax).Select(c => char.IsControl(c) ? '?' : c)]);
        return printable.Length == 0 ? "a builder" : printable;
    }

    private static BeginReply WithOutcome(BeginReply reply, OpenOutcome.Known known)
    {
        reply.Outcome = OutcomeMapping.ToOutcome(known.Transaction);
        return reply;
    }

    private static bool IsDecided(TransactionView view) => view.Status is not (TransactionStatus.Open or TransactionStatus.Sealed);

    private void LogOutcome(string repository, TransactionView view, TimeSpan took)
    {
        switch (view.Status)
        {
            case TransactionStatus.Committed when view.Unchanged:
                log.LogInformation("Transaction {Transaction} of {Repository}: nothing new in {Milliseconds} ms", view.Id, repository, (long)took.TotalMilliseconds);
                break;
            case TransactionStatus.Committed:
                log.LogInformation(
                    "Transaction {Transaction} of {Repository}: committed in revision {Revision} after {Milliseconds} ms, {PathsNew} paths new",
                    view.Id, repository, view.Revision, (long)took.TotalMilliseconds, view.PathsNew);
                break;
            default:
                log.LogWarning("Transaction {Transaction} of {Repository}: {Status}, {Code} {What}", view.Id, repository, view.Status, view.Reason?.Code, view.Reason?.What);
                break;
        }
    }
}
