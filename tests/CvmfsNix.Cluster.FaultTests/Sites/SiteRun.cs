using System.Globalization;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Cluster;
using CvmfsNix.Cluster.FaultTests.Nemesis;
using CvmfsNix.Cluster.FaultTests.Nemesis.Load;
using CvmfsNix.Cluster.FaultTests.Nemesis.Watching;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Sites;

/// <summary>A repository under load while sites come and go, and the judgement at the end.</summary>
internal sealed class SiteRun : IAsyncDisposable
{
    private readonly ThreeSites _sites;
    private readonly Scratch _scratch = new("sites");
    private readonly HistoryLog _history = new();
    private readonly string _publicKey;
    private readonly Watcher _watcher;

    private SiteRun(ThreeSites sites, string fqrn, string publicKey)
    {
        (_sites, Fqrn, _publicKey) = (sites, fqrn, publicKey);
        Load = new ClusterWorkload(fqrn, sites.Nodes, _scratch["stores"], BuiltPrograms.Seed, _history, Transcript);
        _watcher = new Watcher(sites.Nodes, fqrn, publicKey, _history, Load);
    }

    public string Fqrn { get; }

    public Transcript Transcript { get; } = new();

    public ClusterWorkload Load { get; }

    /// <summary>Sites, a repository, builders and watchers; then what is to happen; then the judgement. Prints all of it.</summary>
    public static async Task RunAsync(string name, ITestOutputHelper output, Func<SiteRun, ThreeSites, Task<PostgresServer>> happens, CancellationToken cancellationToken)
    {
        await using ThreeSites sites = await ThreeSites.StartAsync(cancellationToken);
        string fqrn = $"{name}.sites.example.org";
        string key = (await sites.Nodes.CliAsync(["repo", "create", fqrn, "--json"], cancellationToken)).Json.GetProperty("publicKey").GetString()!;
        await using var run = new SiteRun(sites, fqrn, key);
        try
        {
            run.Load.Start();
            await run.Load.ProgressAsync(TimeProvider.System.GetTimestamp(), cancellationToken);
            Assert.Equal(1, (await sites.Nodes.LeaderAsync(cancellationToken)).Number);
            PostgresServer journal = await happens(run, sites);
            await run.JudgeAsync(journal, cancellationToken);
            output.WriteLine($"{run.Transcript}");
        }
        catch
        {
            output.WriteLine($"CVMFSNIX_TEST_SEED={BuiltPrograms.Seed}. What happened:\n{run.Transcript}\n{run.Errors()}\n{sites.Nodes.Logs()}");
            throw;
        }
    }

    /// <summary>Waits until something that was begun after a moment is acknowledged, and notes the gap.</summary>
    public async Task ProgressAsync(string what, long since, CancellationToken cancellationToken)
    {
        await Load.ProgressAsync(since, cancellationToken);
        long now = TimeProvider.System.GetTimestamp();
        Transcript.Add(string.Create(
            CultureInfo.InvariantCulture,
            $"{what}: publishing goes on; longest time without an acknowledgement {Load.LongestGap(since, now).TotalSeconds:0.0} s"));
        _watcher.Check();
    }

    /// <summary>What a database that was left behind shows must be history: it shows nothing that its successor does not have.</summary>
    public async Task CheckShowsNothingElseAsync(PostgresServer left, PostgresServer successor, CancellationToken cancellationToken)
    {
        // First the one that is left: what it shows then is in the successor by then.
        JournalRows shown = await JournalRows.ReadAsync(left, Fqrn, cancellationToken);
        JournalRows kept = await JournalRows.ReadAsync(successor, Fqrn, cancellationToken);
        foreach (string id in shown.Ids)
        {
            Assert.True(kept[id].Count >= shown[id].Count, $"{id}: the database that was cut off shows {shown[id].Count} rows, its successor has {kept[id].Count}");
            for (int i = 0; i < shown[id].Count; i++)
                Assert.True(shown[id][i].Message.AsSpan().SequenceEqual(kept[id][i].Message), $"{id}: event {i + 1} has two contents");
        }

        string waiting = string.Concat(await left.QueryAsync("cvmfsnix", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", cancellationToken));
        Transcript.Add($"the database that was cut off shows {shown.Ids.Sum(i => shown[i].Count)} rows, all of them history; {waiting} commits wait there for ever");
    }

    public async ValueTask DisposeAsync()
    {
        await _watcher.DisposeAsync();
        await Load.DisposeAsync();
        _scratch.Dispose();
    }

    private async Task JudgeAsync(PostgresServer journal, CancellationToken cancellationToken)
    {
        await Load.FinishAsync(cancellationToken);
        await Load.AskAgainForEverythingAsync(cancellationToken);
        var checker = new RepositoryChecker(Fqrn, _publicKey, _history);
        ulong head = 0;
        await _sites.Nodes.UntilAsync(
            async () =>
            {
                var heads = new HashSet<(ulong Revision, string RootHash)>();
                foreach (ClusterNode node in _sites.Nodes.Nodes)
                    heads.Add(await new RepositoryChecker(Fqrn, _publicKey, new HistoryLog()).HeadAsync(node.Http, cancellationToken));
                head = heads.Max(h => h.Revision);
                return heads.Count == 1 && head >= _history.HighestRevision;
            },
            "all sites serve one revision",
            cancellationToken);
        await _watcher.EndAsync();

        string keyFile = _scratch["key.pub"];
        await File.WriteAllTextAsync(keyFile, _publicKey, cancellationToken);
        foreach (ClusterNode node in _sites.Nodes.Nodes)
        {
            string folder = Path.Combine(node.Data, "cvmfs", Fqrn);
            Assert.Equal(head, await checker.CheckEverythingAsync(folder, cancellationToken));
            ProgramRun verified = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", folder, "--pubkey", keyFile, "--deep"], null, cancellationToken);
            Assert.True(verified.ExitCode == 0, $"node {node.Number}: {verified.Output}{verified.Errors}");
        }

        _history.CheckEveryRevisionIsSomebodys(head);
        JournalRows rows = await JournalRows.ReadAsync(journal, Fqrn, cancellationToken);
        Assert.Equal(head - 1, (ulong)rows[$"repository-{Fqrn}"].Count(r => r.Event is RevisionCommitted));
        Transcript.Add($"head is revision {head}; {Load.Acknowledged} publishes acknowledged, {_history.Paths.Count} paths, clean in all sites; {_watcher.Manifests} manifests seen, {_watcher.RevisionsRead} revisions read{Errors()}");
    }

    private string Errors() => string.Concat(Load.Errors.Select(e => $"\n{e.Value,6}  {e.Key}"));
}
