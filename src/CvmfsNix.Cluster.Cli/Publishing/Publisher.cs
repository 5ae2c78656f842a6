using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Replicas;
using CvmfsNix.Cluster.Cli.Repositories;
using CvmfsNix.Cluster.Cli.Transactions;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Ingest;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// Publishes, from store paths to the answer. What is asked first is which paths are missing: a publish with nothing new
/// costs one question per 1,000 paths. After a failure that may pass, the whole attempt is made again under the same
/// transaction id with the next server, which finds what is there already; the cluster applies an id once. Thread-safe.
/// </summary>
internal sealed class Publisher(
    ControlPlane control, PackUpload packs, StorePaths paths, ProgressDisplay progress, Terminal terminal)
{
    /// <summary>Paths in one question.</summary>
    public const int PathsPerQuestion = 1000;

    // Without --timeout: how long nobody may answer before it gives up. A cluster that lost its leader is back much earlier.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private const string TooFewCopies = "TooFewCopies";
    private static readonly TimeSpan AbortTime = TimeSpan.FromSeconds(3);
    private const int StagingAttemptsMax = 20;

    /// <summary>Brings paths that are to be sent to where they are read from; null where they lie there.</summary>
    public Func<IReadOnlyList<PathInfo>, CancellationToken, Task>? Fetch { get; init; }

    /// <summary>Publishes one request.</summary>
    /// <exception cref="CliException">It was refused, or its outcome is not known (exit code 4).</exception>
    public Task<PublishJson> PublishAsync(PublishRequest request, CancellationToken cancellationToken) =>
        BuilderTraces.FollowAsync(request.Repository, request.Transaction, control.Clock, () => PublishUntracedAsync(request, cancellationToken));

    private async Task<PublishJson> PublishUntracedAsync(PublishRequest request, CancellationToken cancellationToken)
    {
        long start = control.Clock.GetTimestamp();
        IReadOnlyList<StorePathName> roots = paths.Resolve(request.Paths);
        IReadOnlyList<PathInfo> infos = await paths.InfosAsync(roots, request.Closure, cancellationToken);
        string? target = request.Profile is null ? null : roots[0].Value;
        int leftOut = 0;
        if (request.Upstream is { } filter)
        {
            (infos, IReadOnlyList<PathInfo> upstream) = filter.Split(paths.View.Directory, infos, target is null ? null : roots[0]);
            leftOut = upstream.Count;
            if (leftOut > 0)
                terminal.Note($"{request.Repository}: {leftOut} paths of upstream caches are left out");
            if (infos.Count == 0)
                return await NothingLeftAsync(request, leftOut, start, cancellationToken);
        }

        byte[] digest = RequestDigest.Compute(request.Repository, infos, request.Profile, target, request.Conflict);
        var work = new Work(request, infos, target, ByteString.CopyFrom(digest));

        // Before the publish: from its answer on the paths are kept.
        if (request.Keep is { } keep && !request.DryRun)
            await PinAsync(request.Repository, roots, keep, cancellationToken);

        PublishJson result;
        try
        {
            result = await WithRetriesAsync(work, cancellationToken);
        }
        catch (CliException e) when (e.Code == "StorePathConflict")
        {
            throw await ConflictReport.ExplainAsync(control, paths.View, request.Repository, infos, e, cancellationToken);
        }

        if (request.WaitFor.Length > 0 && result.Status != DryRunStatus)
        {
            var wait = new WaitRequest { Repository = request.Repository, Revision = result.Revision, ForReplicas = request.WaitFor };
            result = result with { Replicas = ReplicaViews.Revisions(await WaitCondition.WaitAsync(control, wait, cancellationToken)) };
        }

        return result with { PathsUpstream = leftOut, DurationMs = (long)control.Clock.GetElapsedTime(start).TotalMilliseconds };
    }

    private async Task<PublishJson> NothingLeftAsync(PublishRequest request, int leftOut, long start, CancellationToken cancellationToken)
    {
        RepositoryInfo info = await RepositoryQuery.GetAsync(control, request.Repository, cancellationToken);
        return new PublishJson
        {
            Repository = request.Repository,
            Transaction = request.Transaction,
            Status = request.DryRun ? DryRunStatus : "unchanged",
            Revision = info.Revision,
            RootHash = info.RootHash,
            PathsUpstream = leftOut,
            DurationMs = (long)control.Clock.GetElapsedTime(start).TotalMilliseconds,
        };
    }

    private const string DryRunStatus = "dry-run";
    private const int PinnedAtOnce = 1_000;

    private async Task PinAsync(string repository, IReadOnlyList<StorePathName> roots, TimeSpan keep, CancellationToken cancellationToken)
    {
        long until = (control.Clock.GetUtcNow() + keep).ToUnixTimeSeconds();
        foreach (StorePathName[] part in roots.Chunk(PinnedAtOnce))
        {
            var pin = new PinPathsRequest { Repository = repository, Until = until, By = $"{Environment.UserName}@{Environment.MachineName}" };
            pin.Paths.AddRange(part.Select(p => p.Value));
            await control.AskAsync((client, options) => client.PinPathsAsync(pin, options), cancellationToken);
        }
    }

    private sealed record Work(PublishRequest Request, IReadOnlyList<PathInfo> Infos, string? ProfileTarget, ByteString Digest)
    {
        /// <summary>A gateway opened it for this very request. Until then the id may belong to another request, which is not ours to take back.</summary>
        public bool Begun { get; set; }

        /// <summary>From here on the cluster may have decided: the transaction is not taken back any more.</summary>
        public bool SealAsked { get; set; }
    }

    private async Task<PublishJson> WithRetriesAsync(Work work, CancellationToken cancellationToken)
    {
        var retry = new RetryPolicy(control.Clock, control.TotalTime, Patience, unreachableAttempts: null);
        ServerRoute route = control.NewRoute();
        int stagings = 0;
        CliException? tooFew = null;
        long tooFewSince = 0;
        CliException? last = null;
        while (true)
        {
            ControlServer server = route.Current;
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (retry.Remaining is { } left)
                limited.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
            CliException failure;
            try
            {
                return await AttemptAsync(server, work, retry, limited.Token);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                await TakeBackAsync(server, work);
                throw;
            }
            catch (OperationCanceledException e)
            {
                // What was waited for is worth more than that the time is over.
                throw last is null ? OutcomeUnknown(work, "The time given with --timeout is over.", e) : OutcomeUnknown(work, last.Message, last);
            }
            catch (CliException e) when (e.Transient)
            {
                failure = e;
            }
            catch (CliException e) when (RpcFailure.AsksForStagingAgain(e.Code) && ++stagings < StagingAttemptsMax)
            {
                failure = new CliException(e.Code, e.Message, e.What, e.Hint, ExitCode.Unknown, e) { Transient = true };
            }
            catch (CliException) when (!work.SealAsked)
            {
                await TakeBackAsync(server, work);
                throw;
            }

            if (failure.Code != TooFewCopies)
                tooFew = null;
            else if (tooFew is null)
                (tooFew, tooFewSince) = (failure, control.Clock.GetTimestamp());
            // Nodes that answer, but cannot keep enough copies for so long, need an operator.
            else if (control.TotalTime is null && control.Clock.GetElapsedTime(tooFewSince) >= Patience)
                throw OutcomeUnknown(work, failure.Message, failure);
            last = failure.Unreachable ? null : failure;
            TimeSpan? advice = route.Leave(failure);
            if (retry.NextWait(failure, advice) is not { } wait)
                throw OutcomeUnknown(work, failure.Message, failure);
            terminal.Note($"{work.Request.Repository}: {failure.Message}; trying again");
            await Task.Delay(wait, control.Clock, cancellationToken);
        }
    }

    private async Task<PublishJson> AttemptAsync(ControlServer server, Work work, RetryPolicy retry, CancellationToken cancellationToken)
    {
        PublishRequest request = work.Request;
        (BeginReply begun, FindPathsReply last, List<PathPresence> presence) = await AskForPathsAsync(server, work, retry, cancellationToken);
        if (begun.Outcome is { } known)
            return await KnownAsync(server, work, known, cancellationToken);
        if (begun.StoreDirectory.Length > 0 && begun.StoreDirectory != paths.View.Directory.Value)
        {
            throw new CliException(
                "StoreDirectoryMismatch",
                $"{request.Repository} holds paths of {begun.StoreDirectory}, these are of {paths.View.Directory}.",
                request.Repository,
                $"publish from a store in {begun.StoreDirectory} (NIX_STORE_DIR says which store is meant), or into another repository");
        }

        List<PathInfo> missing = Select(work, presence, PathPresence.Missing);
        List<PathInfo> different = Select(work, presence, PathPresence.Different);
        var result = new PublishJson
        {
            Repository = request.Repository,
            Transaction = request.Transaction,
            Status = "unchanged",
            ContentKept = [.. different.Select(i => paths.View.Directory.FullPath(i.Path))],
            Revision = last.Revision,
            RootHash = last.RootHash,
            PathsNew = request.DryRun ? missing.Count : 0,
            PathsPresent = work.Infos.Count - missing.Count,
        };
        if (request.DryRun)
        {
            await TakeBackAsync(server, work);
            return Warned(result with { Status = DryRunStatus });
        }

        if (last.Unchanged && missing.Count == 0)
            return Warned(result);

        IngestResult ingested = missing.Count == 0
            ? new IngestResult(0, 0, 0, 0)
            : await IngestAsync(server, work, begun, missing, cancellationToken);
        TransactionOutcome outcome = await SealAsync(server, work, cancellationToken);
        return Decided(work, outcome, result with
        {
            ObjectsSent = ingested.ObjectsSent,
            BytesRead = ingested.BytesRead,
            BytesSent = ingested.BytesSent,
        });
    }

    private async Task<(BeginReply Begun, FindPathsReply Last, List<PathPresence> Presence)> AskForPathsAsync(
        ControlServer server, Work work, RetryPolicy retry, CancellationToken cancellationToken)
    {
        PathQuery[][] questions =
        [
            .. work.Infos.Select(i => new PathQuery { Path = i.Path.Value, NarHash = ByteString.CopyFrom(i.NarHash.ToArray()), ContentAddressed = i.ContentAddress is not null }).Chunk(PathsPerQuestion),
        ];
        var begin = new BeginRequest
        {
            Repository = work.Request.Repository,
            Transaction = work.Request.Transaction,
            RequestDigest = work.Digest,
            Profile = work.Request.Profile ?? "",
            Builder = Environment.MachineName,
            Conflict = work.Request.Conflict,
            Last = questions.Length == 1 && !work.Request.DryRun,
        };
        begin.Paths.AddRange(questions[0]);
        BeginReply begun = await server.AskAsync((client, options) => client.BeginAsync(begin, options), control.AnswerTime, cancellationToken);
        retry.Succeeded();
        FindPathsReply last = begun.Paths ?? new FindPathsReply();
        List<PathPresence> presence = [.. last.Presence];
        if (begun.Outcome is not null)
            return (begun, last, presence);
        work.Begun = true;

        for (int i = 1; i < questions.Length; i++)
        {
            var request = new FindPathsRequest
            {
                Repository = work.Request.Repository,
                Transaction = work.Request.Transaction,
                Last = i == questions.Length - 1 && !work.Request.DryRun,
            };
            request.Paths.AddRange(questions[i]);
            last = await server.AskAsync((client, options) => client.FindPathsAsync(request, options), control.AnswerTime, cancellationToken);
            presence.AddRange(last.Presence);
        }

        if (presence.Count != work.Infos.Count)
        {
            throw new CliException(
                "ProtocolError", $"The node answered for {presence.Count} of {work.Infos.Count} paths.", server.Address.ToString(), "node and cvmfsnix are of versions that do not fit", ExitCode.Unknown);
        }

        return (begun, last, presence);
    }

    private async Task<IngestResult> IngestAsync(
        ControlServer server, Work work, BeginReply begun, List<PathInfo> missing, CancellationToken cancellationToken)
    {
        terminal.Note($"{work.Request.Repository}: {missing.Count} of {work.Infos.Count} paths are new");
        if (Fetch is not null)
            await Fetch(missing, cancellationToken);
        try
        {
            await using var transaction = new RemoteTransaction(
                server, packs, work.Request.Repository, work.Request.Transaction, begun, control.AnswerTime);
            return await progress.RunAsync(work.Request.Repository, async reporter =>
            {
                var pipeline = new IngestPipeline(transaction, new IngestOptions(), reporter);
                IngestResult result = await pipeline.RunAsync([.. missing.Select(i => (i, paths.View.DiskPath(i.Path)))], cancellationToken);
                await transaction.CompleteAsync(cancellationToken);
                return result;
            });
        }
        catch (IngestException e)
        {
            string what = StorePathName.TryParse(e.What, out StorePathName path) ? paths.View.Directory.FullPath(path) : e.What;
            throw new CliException(e.Code, e.Message, what, e.Hint, innerException: e);
        }
        catch (Exception e) when (e is DiskAccessException or FileChangedException or UnsupportedFileTypeException)
        {
            throw new CliException("UnreadablePath", e.Message, work.Request.Repository, "repair the store path on this machine (nix-store --repair-path), then publish again", innerException: e);
        }
    }

    private static async Task<TransactionOutcome> SealAsync(ControlServer server, Work work, CancellationToken cancellationToken)
    {
        var request = new SealRequest
        {
            Repository = work.Request.Repository,
            Transaction = work.Request.Transaction,
            RequestDigest = work.Digest,
            Conflict = work.Request.Conflict,
            Profile = work.Request.Profile ?? "",
            ProfileTarget = work.ProfileTarget ?? "",
            Builder = Environment.MachineName,
            DespiteWithdrawal = work.Request.DespiteWithdrawal,
        };
        work.SealAsked = true;

        // No deadline of its own: the queue may be long, pings find out a dead node, and --timeout covers the whole publish.
        return await server.AskAsync((client, options) => client.SealAsync(request, options), null, cancellationToken);
    }

    /// <summary>The transaction was sealed or decided by an earlier attempt: its first answer is the answer.</summary>
    private async Task<PublishJson> KnownAsync(ControlServer server, Work work, TransactionOutcome known, CancellationToken cancellationToken)
    {
        if (known.State is TransactionState.Sealed)
            known = await SealAsync(server, work, cancellationToken);
        return Decided(work, known, new PublishJson
        {
            Repository = work.Request.Repository,
            Transaction = work.Request.Transaction,
            Status = "committed",
        });
    }

    private PublishJson Decided(Work work, TransactionOutcome outcome, PublishJson result)
    {
        switch (outcome.State)
        {
            case TransactionState.Committed:
                IEnumerable<string> kept = outcome.ContentKept.Select(name => $"{paths.View.Directory.Value}/{name}");
                return Warned(result with
                {
                    Status = outcome.Unchanged ? "unchanged" : "committed",
                    ContentKept = [.. result.ContentKept.Union(kept)],
                    Revision = outcome.Revision,
                    RootHash = outcome.RootHash,
                    PathsNew = outcome.PathsNew,
                    PathsPresent = outcome.PathsPresent,
                    BytesStored = outcome.BytesStored,
                });
            case TransactionState.Rejected:
                throw outcome.Reason is { } reason
                    ? RpcFailure.FromDetail(reason)
                    : new CliException("Rejected", "The transaction was rejected.", work.Request.Transaction, "see the log of the leader");
            case TransactionState.Aborted or TransactionState.Expired:
                throw new CliException(
                    outcome.State == TransactionState.Aborted ? "TransactionAborted" : "TransactionExpired",
                    $"The transaction was {StatusCommand.StateName(outcome.State)} before it was sealed; nothing of it was published.",
                    work.Request.Transaction,
                    "publish again with a new transaction id");
            default:
                throw new CliException(
                    "OutcomeUnknown", $"The transaction is {StatusCommand.StateName(outcome.State)}.", work.Request.Transaction, "repeat the command with the same --transaction", ExitCode.Unknown)
                {
                    Transient = true,
                };
        }
    }

    private PublishJson Warned(PublishJson result)
    {
        foreach (string path in result.ContentKept)
            terminal.Warning($"DifferentContentKept {path}: the repository keeps the content published first");
        return result;
    }

    private static List<PathInfo> Select(Work work, List<PathPresence> presence, PathPresence wanted) =>
        [.. work.Infos.Where((_, i) => presence[i] == wanted)];

    // Best effort: an open transaction that nobody takes back expires by itself.
    private static async Task TakeBackAsync(ControlServer server, Work work)
    {
        if (!work.Begun || work.SealAsked)
            return;
        try
        {
            var request = new AbortRequest { Repository = work.Request.Repository, Transaction = work.Request.Transaction };
            await server.AskAsync((client, options) => client.AbortAsync(request, options), AbortTime, CancellationToken.None);
        }
        catch (CliException)
        {
            // Nothing more can be done about it here.
        }
    }

    private static CliException OutcomeUnknown(Work work, string why, Exception cause) => new(
        cause is CliException { Code: var code } ? code : "TimedOut",
        $"{why} The outcome is unknown.",
        work.Request.Transaction,
        $"repeat the same command with --transaction {work.Request.Transaction}: it is applied at most once",
        ExitCode.Unknown,
        cause)
    {
        RetryAfter = (cause as CliException)?.RetryAfter,
    };
}
