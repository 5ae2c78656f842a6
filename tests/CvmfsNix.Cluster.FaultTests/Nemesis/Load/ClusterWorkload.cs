using System.Collections.Concurrent;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Load;

/// <summary>
/// Builders that publish all the time, each with another node first, from stores made up from a seed. Closures overlap, also between
/// builders at the same moment; some closures are published twice under two ids. What fails is tried again under its id until it is acknowledged.
/// </summary>
internal sealed class ClusterWorkload(string fqrn, ClusterOfNodes cluster, string folder, int seed, HistoryLog history, Transcript transcript)
    : IAsyncDisposable
{
    private const int Builders = 3;
    private const int Parallel = 3;
    private const int TransactionsOfARound = 90;
    private static readonly TimeSpan Thinking = TimeSpan.FromMilliseconds(300);

    // What may be said of a transaction while nodes, disks and databases come and go: it is to be tried again.
    private static readonly string[] TryAgain =
        ["NoLeader", "OutcomeUnknown", "Overloaded", "Unreachable", "TimedOut", "TooFewCopies", "DiskFull", "NotReady"];

    private readonly CancellationTokenSource _enough = new();
    private readonly CancellationTokenSource _abandoned = new();
    private readonly List<(SyntheticStore Store, List<PlannedPublish> Publishes)> _rounds = [];
    private readonly ConcurrentDictionary<string, long> _open = new();
    private readonly ConcurrentQueue<(long At, long HandedIn)> _answers = new();
    private readonly ConcurrentDictionary<string, PathInfo> _known = new();
    private Task _running = Task.CompletedTask;

    /// <summary>Publishes handed in and not answered.</summary>
    public int Open => _open.Count;

    /// <summary>Answers that were errors, by code and message.</summary>
    public ConcurrentDictionary<string, int> Errors { get; } = new();

    /// <summary>All transactions that were ever planned.</summary>
    public int Planned => _rounds.Sum(r => r.Publishes.Count);

    /// <summary>Acknowledged publishes so far.</summary>
    public int Acknowledged => _answers.Count;

    /// <summary>What a path of this workload needs; null for names that are none of its.</summary>
    public PathInfo? Known(string name) => _known.GetValueOrDefault(name);

    public void Start() => _running = RunAsync(_abandoned.Token);

    /// <summary>Ends when something that was handed in after a moment is acknowledged.</summary>
    /// <exception cref="TimeoutException">That does not happen.</exception>
    public Task ProgressAsync(long since, CancellationToken cancellationToken) => cluster.UntilAsync(
        () => _running.IsCompleted ? Fail() : Task.FromResult(_answers.Any(a => a.HandedIn >= since)),
        "a publish that was begun after the fault is acknowledged", cancellationToken);

    /// <summary>The longest time without an acknowledgement between two moments.</summary>
    public TimeSpan LongestGap(long from, long until)
    {
        long[] times = [from, .. _answers.Select(a => a.At).Where(t => t > from && t < until).Order(), until];
        return Enumerable.Range(1, times.Length - 1).Max(i => TimeProvider.System.GetElapsedTime(times[i - 1], times[i]));
    }

    /// <summary>The first acknowledgement after a moment; null while there is none.</summary>
    public TimeSpan? NextAfter(long moment) =>
        _answers.Select(a => a.At).Where(t => t > moment).Order().Select(t => (TimeSpan?)TimeProvider.System.GetElapsedTime(moment, t)).FirstOrDefault();

    /// <summary>Nothing new is begun; ends when everything that was begun is acknowledged.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await _enough.CancelAsync();
        await _running.WaitAsync(cancellationToken);
    }

    /// <summary>Hands in every transaction again; the history refuses an answer other than the first.</summary>
    public async Task AskAgainForEverythingAsync(CancellationToken cancellationToken)
    {
        foreach ((SyntheticStore store, List<PlannedPublish> publishes) in _rounds)
        {
            int left = publishes.Count;
            await using var session = new PublishSession(
                cluster.Servers, store.Arguments, 16, answer =>
                {
                    Enter(answer, store, publishes);
                    if (!answer.TryGetProperty("error", out _))
                        left--;
                });
            foreach (PlannedPublish publish in publishes)
                await session.HandInAsync(Line(publish), cancellationToken);
            (int exitCode, string errors) = await session.EndAsync(cancellationToken);
            if (exitCode != 0 || left != 0)
                throw new HistoryViolationException($"{left} acknowledged transactions were not acknowledged again.\n{errors}");
        }
    }

    /// <summary>Ends the builders, whatever is still open.</summary>
    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await _abandoned.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _enough.Dispose();
        _abandoned.Dispose();
    }

    private Task<bool> Fail() => _running.IsFaulted
        ? Task.FromException<bool>(_running.Exception!.InnerException!)
        : throw new InvalidOperationException("The workload ended by itself.");

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        var random = new Random(seed);
        for (int round = 0; !_enough.IsCancellationRequested; round++)
        {
            (SyntheticStore store, PlannedPublish[][] planned) = await PlanAsync(round, random, cancellationToken);
            List<PlannedPublish> begun = [];
            lock (_rounds)
                _rounds.Add((store, begun));
            await Task.WhenAll(planned.Select((own, b) => BuildAsync(b, store, own, begun, cancellationToken)));
        }
    }

    private async Task<(SyntheticStore Store, PlannedPublish[][] Planned)> PlanAsync(int round, Random random, CancellationToken cancellationToken)
    {
        var store = new SyntheticStore(Path.Combine(folder, $"round-{round}"));
        var publishes = new List<PlannedPublish>();
        while (publishes.Count < TransactionsOfARound)
        {
            if (publishes.Count > 0 && random.Next(8) == 0)
            {
                publishes.Add(PlannedPublish.New(publishes[^1].Roots));
                continue;
            }

            string identity = $"{fqrn} {seed} {round} {publishes.Count}";
            StorePathName[] references = [.. Enumerable.Range(0, random.Next(3)).Where(_ => store.Paths.Count > 0)
                .Select(_ => store.Paths[random.Next(store.Paths.Count)].Path).Distinct()];
            PathInfo made = await store.AddAsync(identity, identity, references, 1 + random.Next(12), 4000, cancellationToken);
            _known[made.Path.Value] = made;
            publishes.Add(PlannedPublish.New(made.Path));
        }

        store.Register();
        return (store, [.. Enumerable.Range(0, Builders).Select(b => publishes.Where((_, i) => i % Builders == b).ToArray())]);
    }

    private async Task BuildAsync(int builder, SyntheticStore store, PlannedPublish[] own, List<PlannedPublish> begun, CancellationToken cancellationToken)
    {
        string servers = string.Join(',', Enumerable.Range(0, cluster.Nodes.Count).Select(i => cluster.Nodes[(builder + i) % cluster.Nodes.Count].Grpc));
        PlannedPublish[] waiting = own;
        while (waiting.Length > 0)
        {
            var slots = new SemaphoreSlim(Parallel);
            await using var session = new PublishSession(servers, store.Arguments, Parallel, answer =>
            {
                Enter(answer, store, own);
                slots.Release();
            });
            foreach (PlannedPublish publish in waiting)
            {
                await Task.WhenAny(slots.WaitAsync(cancellationToken), session.Ended);
                if (session.Ended.IsCompleted || !Begin(publish, begun))
                    break;
                _open[publish.Transaction] = TimeProvider.System.GetTimestamp();
                await session.HandInAsync(Line(publish), cancellationToken);
                await Task.Delay(Thinking, cancellationToken);
            }

            (int exitCode, string errors) = await session.EndAsync(cancellationToken);
            PlannedPublish[] mine;
            lock (begun)
                mine = [.. begun.Intersect(own)];
            // What was begun comes first: nothing else would be handed in once it is enough.
            waiting = [.. mine.Where(p => history.Find(p.Transaction) is null)];
            int again = waiting.Length;
            if (!_enough.IsCancellationRequested)
                waiting = [.. waiting.Concat(own.Except(mine))];
            if (again > 0)
                transcript.Add($"builder {builder}: exit code {exitCode}, {again} publishes again: {errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault()}");
        }
    }

    // False once it is enough: then only what was begun before is brought to its end.
    private bool Begin(PlannedPublish publish, List<PlannedPublish> begun)
    {
        lock (begun)
        {
            if (begun.Contains(publish))
                return true;
            if (_enough.IsCancellationRequested)
                return false;
            begun.Add(publish);
            return true;
        }
    }

    private string Line(PlannedPublish publish) => JsonSerializer.Serialize(new
    {
        transaction = publish.Transaction,
        repository = fqrn,
        paths = publish.Roots.Select(SyntheticStore.FullPath),
        closure = true,
    });

    private void Enter(JsonElement answer, SyntheticStore store, IReadOnlyList<PlannedPublish> publishes)
    {
        string transaction = answer.GetProperty("transaction").GetString()!;
        _ = _open.TryRemove(transaction, out long handedIn);
        if (answer.TryGetProperty("error", out JsonElement error))
        {
            string code = error.GetProperty("code").GetString() ?? "";
            string message = error.GetProperty("message").GetString() ?? "";
            Errors.AddOrUpdate($"{code}: {message}", 1, (_, n) => n + 1);
            if (!TryAgain.Contains(code))
                throw new HistoryViolationException($"Transaction {transaction} was refused with {code}: {message}");
            return;
        }

        var told = new Acknowledgement(
            transaction,
            answer.GetProperty("status").GetString()!,
            answer.GetProperty("revision").GetUInt64(),
            answer.GetProperty("rootHash").GetString()!);
        if (history.Find(transaction) is { Status: "unchanged" } before)
        {
            // It changed nothing, so there is nothing to be kept in mind about it, except that time does not run backwards.
            history.Saw(told.Revision, told.RootHash);
            if (told.Revision < before.Revision)
                throw new HistoryViolationException($"Transaction {transaction} was answered {before} and now {told}.");
        }
        else
        {
            PlannedPublish publish = publishes.Single(p => p.Transaction == transaction);
            history.Acknowledge(told, store.Closure(publish.Roots));
        }

        if (handedIn != 0)
            _answers.Enqueue((TimeProvider.System.GetTimestamp(), handedIn));
    }
}
