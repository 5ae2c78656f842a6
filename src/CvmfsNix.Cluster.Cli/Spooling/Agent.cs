using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>
/// Publishes what comes into a spool, in batches: what comes while one is under way is the next. A batch is on disk, with its transaction
/// id, before anything of it is sent, so that a kill at any instant leads to the same request again, which the cluster applies once.
/// </summary>
/// <param name="spool">Where entries come in; the caller holds its lock.</param>
/// <param name="repository">Where to.</param>
/// <param name="publish">Publishes paths with their closures under a transaction id.</param>
/// <param name="clock">For ids and waits.</param>
/// <param name="report">Told of every publish that was answered.</param>
/// <param name="warn">Told what goes wrong.</param>
internal sealed class Agent(
    Spool spool,
    string repository,
    Func<SpoolBatch, CancellationToken, Task<PublishJson>> publish,
    TimeProvider clock,
    Action<PublishJson> report,
    Action<string> warn)
{
    /// <summary>Entries in one publish.</summary>
    public const int EntriesPerBatch = 500;

    // A path that is on disk but unknown to Nix for so many attempts is not going to be known.
    private const int UnknownPathAttempts = 5;

    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    // Faults of the repository, the clock or the configuration: another entry would meet them, too.
    private static readonly HashSet<string> s_commonFaults = new(StringComparer.Ordinal)
    {
        "UnknownRepository", "StoreDirectoryMismatch", "WhitelistExpired", "ClockSkew", "JournalBehindStores", "TooFewCopies", "Overloaded", "NoLeader",
    };

    private AgentState _state = new() { Pid = Environment.ProcessId, Repository = repository, StartedAt = Terminal.Time(clock.GetUtcNow()) };

    /// <summary>Publishes all that waits, and returns when nothing does.</summary>
    /// <returns>How many publishes were answered.</returns>
    public async Task<int> DrainAsync(CancellationToken cancellationToken)
    {
        spool.CleanUp();
        int answered = 0;
        int attempts = 0;
        while (true)
        {
            SpoolBatch? batch = spool.Batch ?? await NextAsync(cancellationToken);
            if (batch is null)
                return answered;
            try
            {
                PublishJson result = await publish(batch, cancellationToken);
                attempts = 0;
                answered++;
                await CommittedAsync(result, cancellationToken);
            }
            catch (CliException e) when (e.Code is "TransactionTooOld" or "TransactionIdReused" or "TransactionAborted" or "TransactionExpired")
            {
                // The id is of no use any more; what it published, if anything, is found present under the new one.
                await spool.StartAsync(batch with { Transaction = NewTransaction() }, cancellationToken);
            }
            catch (CliException e) when (!IsCommonFault(e) && !MayPass(e, batch, attempts))
            {
                attempts = 0;
                await RefusedAsync(batch, e, cancellationToken);
            }
            catch (CliException e)
            {
                attempts++;
                await WaitAsync(e, attempts, cancellationToken);
            }
        }
    }

    /// <summary>Publishes for ever.</summary>
    /// <param name="arrival">Completes when something may have come, or after a while.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(Func<CancellationToken, Task> arrival, CancellationToken cancellationToken)
    {
        await spool.WriteStateAsync(_state, cancellationToken);
        spool.RemoveLeftovers(clock.GetUtcNow());
        while (true)
        {
            await DrainAsync(cancellationToken);
            await arrival(cancellationToken);
        }
    }

    private static bool IsCommonFault(CliException e) => e.Transient || e.ExitCode != ExitCode.No || s_commonFaults.Contains(e.Code);

    // Nix may be upgraded or its database locked for long while the path is there.
    private static bool MayPass(CliException e, SpoolBatch batch, int attempts) =>
        e.Code == "UnknownPath" && attempts + 1 < UnknownPathAttempts && batch.Paths.All(Path.Exists);

    private async Task<SpoolBatch?> NextAsync(CancellationToken cancellationToken)
    {
        (IReadOnlyList<string> alone, IReadOnlyList<string> arrived) = spool.Waiting();
        IReadOnlyList<string> names = alone.Count > 0 ? [alone[0]] : [.. arrived.Take(EntriesPerBatch)];
        List<string> entries = [];
        var paths = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string name in names)
        {
            try
            {
                if (spool.Read(name) is not { } entry)
                    continue;
                entries.Add(name);
                paths.UnionWith(entry.Paths);
            }
            catch (FormatException e)
            {
                warn($"entry {name} is set aside: {e.Message}");
                await spool.SetAsideAsync(name, new BadEntry("InvalidEntry", $"This is no entry of the hook: {e.Message}.", name, Terminal.Time(clock.GetUtcNow())), cancellationToken);
            }
        }

        if (entries.Count == 0)
            return names.Count == 0 ? null : await NextAsync(cancellationToken);
        var batch = new SpoolBatch(NewTransaction(), repository, entries, [.. paths]);
        await spool.StartAsync(batch, cancellationToken);
        return batch;
    }

    private async Task CommittedAsync(PublishJson result, CancellationToken cancellationToken)
    {
        spool.Commit();
        _state = _state with
        {
            CommittedTransactions = _state.CommittedTransactions + 1,
            CommittedPaths = _state.CommittedPaths + result.PathsNew,
            LastCommit = new LastCommit(result.Transaction, result.Revision, result.PathsNew, Terminal.Time(clock.GetUtcNow())),
            LastFailure = null,
        };
        report(result);
        await spool.WriteStateAsync(_state, cancellationToken);
    }

    private async Task RefusedAsync(SpoolBatch batch, CliException e, CancellationToken cancellationToken)
    {
        if (batch.Entries.Count > 1)
        {
            warn($"{e.Message} ({e.Code}); the {batch.Entries.Count} entries of the batch are tried one by one");
            spool.Split(batch);
            return;
        }

        warn($"entry {batch.Entries[0]} is set aside: {e.Message} ({e.Code})");
        await spool.SetAsideAsync(batch.Entries[0], new BadEntry(e.Code, e.Message, e.What, Terminal.Time(clock.GetUtcNow())), cancellationToken);
    }

    // Doubling, with chance in it: the agents of many builders do not come back all at once.
    private async Task WaitAsync(CliException e, int attempts, CancellationToken cancellationToken)
    {
        double seconds = Math.Min(FirstWait.TotalSeconds * Math.Pow(2, Math.Min(attempts - 1, 10)), LongestWait.TotalSeconds);
        TimeSpan wait = TimeSpan.FromSeconds(seconds * (0.5 + Random.Shared.NextDouble()));
        if (e.RetryAfter is { } advised && advised > wait)
            wait = advised * (1 + (Random.Shared.NextDouble() / 2));
        warn($"{e.Message} ({e.Code}); attempt {attempts}, again in {wait.TotalSeconds:0.0} s");
        _state = _state with { LastFailure = new LastFailure(e.Code, e.Message, attempts, Terminal.Time(clock.GetUtcNow() + wait)) };
        await spool.WriteStateAsync(_state, cancellationToken);
        await Task.Delay(wait, clock, cancellationToken);
    }

    private string NewTransaction() => Guid.CreateVersion7(clock.GetUtcNow()).ToString("D");
}
