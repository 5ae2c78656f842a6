using System.Globalization;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Nemesis.Faults;
using CvmfsNix.Cluster.FaultTests.Nemesis.Load;
using CvmfsNix.Cluster.FaultTests.Nemesis.Watching;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Nemesis;

/// <summary>One repository under load, faults put into it, and the judgement at the end.</summary>
internal sealed class NemesisRun : IAsyncDisposable
{
    private static readonly TimeSpan StepWithin = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LongGap = TimeSpan.FromSeconds(15);

    private readonly NemesisCluster _cluster;
    private readonly Scratch _scratch = new("nemesis");
    private readonly HistoryLog _history = new();
    private readonly Dictionary<string, int> _landed = [];
    private readonly List<TimeSpan> _gaps = [];
    private readonly string _publicKey;
    private int _faults;
    private int _open;

    private NemesisRun(NemesisCluster cluster, string fqrn, int seed, string publicKey)
    {
        (_cluster, Fqrn, Seed, _publicKey) = (cluster, fqrn, seed, publicKey);
        Random = new Random(seed);
        Load = new ClusterWorkload(fqrn, cluster.Nodes, _scratch["stores"], seed, _history, Transcript);
        Watcher = new Watcher(cluster.Nodes, fqrn, publicKey, _history, Load);
    }

    public string Fqrn { get; }

    public int Seed { get; }

    public Random Random { get; }

    public Transcript Transcript { get; } = new();

    public ClusterWorkload Load { get; }

    public Watcher Watcher { get; }

    /// <summary>Makes a repository, starts builders and watchers, runs the faults, judges; prints everything, also when it fails.</summary>
    public static async Task RunAsync(
        NemesisCluster cluster, string name, ITestOutputHelper output, Func<NemesisRun, Task> faults, CancellationToken cancellationToken)
    {
        await cluster.ReadyAsync(cancellationToken);
        int seed = BuiltPrograms.Seed;
        output.WriteLine($"seed {seed}; {(cluster.Network is null ? $"no network faults here ({cluster.NetworkMissing}): all nodes on loopback" : "each node in its own network namespace")}");
        string fqrn = $"{name}.nemesis.example.org";
        string key = (await cluster.Nodes.CliAsync(["repo", "create", fqrn, "--json"], cancellationToken)).Json.GetProperty("publicKey").GetString()!;
        await using var run = new NemesisRun(cluster, fqrn, seed, key);
        try
        {
            run.Load.Start();
            await run.Load.ProgressAsync(TimeProvider.System.GetTimestamp(), cancellationToken);
            await faults(run);
            await run.JudgeAsync(output, cancellationToken);
            cluster.IsClean = true;
        }
        catch
        {
            output.WriteLine($"CVMFSNIX_TEST_SEED={seed} chooses the same workload and faults. What happened:\n{run.Transcript}\n{run.Counts()}\n{cluster.Nodes.Logs()}");
            throw;
        }
    }

    /// <summary>
    /// One fault: put in while a node is kept at a step of a publish if it comes to one, left for a time and, if so wanted, until
    /// something is acknowledged all the same, healed, and waited for until the cluster is whole and publishes. Without a node the
    /// step is only a name for the moment that the fault itself waits for.
    /// </summary>
    public async Task FaultAsync(string what, INemesisFault fault, ClusterNode? at, string step, FaultTime time, CancellationToken cancellationToken)
    {
        Watcher.Check();
        HeldStep? held = at is null ? null : await _cluster.Steps(at).HoldAsync(step, StepWithin, cancellationToken);
        int open = Load.Open;
        long injected = TimeProvider.System.GetTimestamp();
        try
        {
            await fault.InjectAsync(cancellationToken);
        }
        finally
        {
            held?.Release();
        }

        // Not kept anywhere: what the node said last tells how far it was.
        string where = held?.Mark.Step ?? (at is null ? step : $"after {_cluster.Steps(at).LastStep}");
        Transcript.Add($"{what} at {where}{(at is null ? "" : $" of node {at.Number}")}, {open} publishes open");
        _faults++;
        if (open > 0)
        {
            _open++;
            _landed[where] = _landed.GetValueOrDefault(where) + 1;
        }

        try
        {
            await Task.Delay(time.For, cancellationToken);
            if (time.Until is { } reached)
                await reached(cancellationToken);
            if (time.UntilProgress)
                await Load.ProgressAsync(injected, cancellationToken);
        }
        catch when (fault is IAsyncDisposable)
        {
            await ((IAsyncDisposable)fault).DisposeAsync();
            throw;
        }

        long healing = TimeProvider.System.GetTimestamp();
        await fault.HealAsync(cancellationToken);
        long healed = TimeProvider.System.GetTimestamp();
        Transcript.Add($"{what}: healed");
        await Load.ProgressAsync(healed, cancellationToken);
        long progress = TimeProvider.System.GetTimestamp();
        await _cluster.HealthyAsync(cancellationToken);
        TimeSpan gap = Load.LongestGap(injected, progress);
        _gaps.Add(gap);
        Transcript.Add(string.Create(
            CultureInfo.InvariantCulture,
            $"{what}: longest time without an acknowledgement {gap.TotalSeconds:0.00} s, first one {Load.NextAfter(healed)?.TotalSeconds:0.00} s after the end of the fault (which took {TimeProvider.System.GetElapsedTime(healing, healed).TotalSeconds:0.00} s), all nodes well after {TimeProvider.System.GetElapsedTime(healed).TotalSeconds:0.00} s"));
        // Whoever reads of such a gap wants to know what the nodes did meanwhile.
        if (gap > time.For + LongGap)
            Transcript.Add($"the nodes said:\n{_cluster.Nodes.Logs()}");
        Watcher.Check();
    }

    public async ValueTask DisposeAsync()
    {
        await Watcher.DisposeAsync();
        await Load.DisposeAsync();
        _scratch.Dispose();
    }

    private async Task JudgeAsync(ITestOutputHelper output, CancellationToken cancellationToken)
    {
        long finishing = TimeProvider.System.GetTimestamp();
        await Load.FinishAsync(cancellationToken);
        Transcript.Add("everything that was begun is acknowledged");
        if (TimeProvider.System.GetElapsedTime(finishing) > LongGap)
            Transcript.Add($"the nodes said:\n{_cluster.Nodes.Logs()}");
        await Load.AskAgainForEverythingAsync(cancellationToken);
        Transcript.Add("every transaction was handed in again and answered as before");
        ulong head = await SameHeadEverywhereAsync(cancellationToken);
        await Watcher.EndAsync();
        Transcript.Add($"all nodes serve revision {head}, and the watcher has seen every one");

        string keyFile = _scratch["key.pub"];
        await File.WriteAllTextAsync(keyFile, _publicKey, cancellationToken);
        var checker = new RepositoryChecker(Fqrn, _publicKey, _history);
        foreach (ClusterNode node in _cluster.Nodes.Nodes)
        {
            string folder = Path.Combine(node.Data, "cvmfs", Fqrn);
            Assert.Equal(head, await checker.CheckEverythingAsync(folder, cancellationToken));
            Transcript.Add($"node {node.Number}: every acknowledged path is there, once, in its revision");
            ProgramRun verified = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", folder, "--pubkey", keyFile, "--deep"], null, cancellationToken);
            Assert.True(verified.ExitCode == 0, $"node {node.Number}: {verified.Output}{verified.Errors}");
            Transcript.Add($"node {node.Number}: verified");
        }

        _history.CheckEveryRevisionIsSomebodys(head);
        await CheckJournalAsync(head, cancellationToken);
        output.WriteLine($"{Transcript}\n{Counts()}\nhead is revision {head}; clean on all nodes");
    }

    private async Task<ulong> SameHeadEverywhereAsync(CancellationToken cancellationToken)
    {
        ulong told = _history.HighestRevision;
        var checker = new RepositoryChecker(Fqrn, _publicKey, new HistoryLog());
        ulong head = 0;
        await _cluster.Nodes.UntilAsync(
            async () =>
            {
                var heads = new HashSet<(ulong Revision, string RootHash)>();
                foreach (ClusterNode node in _cluster.Nodes.Nodes)
                    heads.Add(await checker.HeadAsync(node.Http, cancellationToken));
                head = heads.Max(h => h.Revision);
                return heads.Count == 1 && head >= told;
            },
            $"all nodes serve one revision, {told} or later",
            cancellationToken);
        return head;
    }

    // Sequence numbers without a gap, and one event for each revision after the first, which comes with the creation.
    private async Task CheckJournalAsync(ulong head, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> rows = await _cluster.Postgres.QueryAsync(
            "cvmfsnix",
            $"SELECT count(*), min(sequence_number), max(sequence_number), count(DISTINCT sequence_number), count(*) FILTER (WHERE manifest = 'rr') FROM journal WHERE persistence_id = 'repository-{Fqrn}'",
            cancellationToken);
        string[] columns = rows.Single().Split('|');
        Assert.True(columns[1] == "1" && columns[0] == columns[2] && columns[0] == columns[3], $"the writer's events have gaps: {rows.Single()}");
        Assert.Equal($"{head - 1}", columns[4]);
        // Who says that it leads writes alone until another says so: nothing of a leader that was superseded got in.
        IReadOnlyList<string> mixed = await _cluster.Postgres.QueryAsync(
            "cvmfsnix",
            $"""
             SELECT leadership, count(DISTINCT writer_uuid) FROM (
               SELECT writer_uuid, count(*) FILTER (WHERE manifest = 'ls') OVER (ORDER BY sequence_number) AS leadership
               FROM journal WHERE persistence_id = 'repository-{Fqrn}') AS events
             GROUP BY leadership HAVING count(DISTINCT writer_uuid) > 1
             """,
            cancellationToken);
        Assert.True(mixed.Count == 0, $"leaderships with events of more than one writer: {string.Join(", ", mixed)}");
        Transcript.Add($"journal: {columns[0]} events of the writer, without a gap, {columns[4]} of them revisions");
    }

    private string Counts()
    {
        TimeSpan[] gaps = [.. _gaps.Order()];
        string times = gaps.Length == 0 ? "none" : string.Create(CultureInfo.InvariantCulture, $"p50 {gaps[gaps.Length / 2].TotalSeconds:0.00} s, max {gaps[^1].TotalSeconds:0.00} s");
        string steps = string.Join(", ", _landed.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Value} {l.Key}"));
        string errors = string.Concat(Load.Errors.Select(e => $"\n{e.Value,6}  {e.Key}"));
        return $"{_faults} faults, {_open} inside an open publish ({steps}); gaps {times}; {Load.Acknowledged} publishes acknowledged, {_history.Paths.Count} paths; "
            + $"{Watcher.Manifests} manifests seen, {Watcher.RevisionsRead} revisions read on the nodes{errors}";
    }
}

/// <summary>How long a fault lasts.</summary>
/// <param name="For">At least.</param>
/// <param name="UntilProgress">Also until something that was begun after it is acknowledged.</param>
/// <param name="Until">Also until this ends, before progress is waited for.</param>
internal sealed record FaultTime(TimeSpan For, bool UntilProgress, Func<CancellationToken, Task>? Until = null)
{
    public static FaultTime Seconds(double seconds) => new(TimeSpan.FromSeconds(seconds), false);

    public static FaultTime UntilNextAcknowledgement(double seconds = 0) => new(TimeSpan.FromSeconds(seconds), true);
}
