using System.Diagnostics;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>
/// A leader finds that another one wrote to the journal, as after a partition in which both believed to lead. The rows of the other one are
/// written by hand: it has taken the leadership of epoch 41 and started to lead the repository.
/// </summary>
public sealed class LostLeadershipTests(ITestOutputHelper output)
{
    private const string Repository = "lost.example.org";

    // LeaderStarted and LeadershipTaken { epoch = 41, node = "other", at = 1 }.
    private const string OtherLeader = @"'\x082912056f746865721801'::bytea";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_leader_that_lost_an_append_ends_its_leadership_and_the_cluster_makes_the_next()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "1"] }, Ct);
        ClusterNode leader = await cluster.LeaderAsync(Ct);
        int process = leader.Id;
        (await cluster.CliAsync(["repo", "create", Repository, "--json"], Ct, leader)).Succeeded();

        await postgres.QueryAsync("cvmfsnix", $"""
            INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
              SELECT 0, false, persistence_id, max(sequence_number) + 1, {OtherLeader}, CASE persistence_id WHEN 'registry' THEN 'gl' ELSE 'ls' END, 1001, 'other'
              FROM journal WHERE persistence_id IN ('registry', 'repository-{Repository}') GROUP BY persistence_id
            """, Ct);
        // The next append of the old leader is one it loses.
        _ = await cluster.CliAsync(["repo", "create", "next.example.org", "--json", "--timeout", "20"], Ct, leader);
        await cluster.UntilAsync(() => Task.FromResult(leader.HasLogged("The leadership of epoch 1 (this node) is over")), "the old leader notices", Ct);
        await cluster.MembersAsync(3, Ct);
        ClusterNode next = await cluster.LeaderAsync(Ct);

        Assert.NotEqual(leader.Number, next.Number);
        Assert.Equal((process, true), (leader.Id, leader.IsRunning));
        JsonElement status = (await cluster.CliAsync(["status", "--json"], Ct, next)).Json;
        Assert.Equal(42, status.GetProperty("epoch").GetInt32());
        IReadOnlyList<string> leaders = await postgres.QueryAsync("cvmfsnix", "SELECT sequence_number, writer_uuid FROM journal WHERE manifest = 'gl' ORDER BY 1", Ct);
        output.WriteLine(string.Join('\n', leaders));
        Assert.Equal(3, leaders.Count);
    }

    [Fact]
    public async Task After_a_lost_append_of_its_own_leadership_the_writer_goes_on_and_no_ledger_fails()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = ClusterOfNodes.Create(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "1"] });
        ClusterNode node = cluster.Nodes[0];
        await node.StartAsync(Ct);
        (await cluster.CliAsync(["repo", "create", Repository, "--json"], Ct, node)).Succeeded();
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));
        for (int i = 0; i < 8; i++)
            await store.AddAsync($"lost {i}", $"lost {i}", [], 3, 1000, Ct);
        store.Register();
        string[] roots = [.. store.Paths.Select(p => SyntheticStore.FullPath(p.Path))];

        // An append whose outcome the writer never learned: its own mark, once more.
        await postgres.QueryAsync("cvmfsnix", $"""
            INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
              SELECT created, deleted, persistence_id, (SELECT max(sequence_number) + 1 FROM journal WHERE persistence_id = 'repository-{Repository}'), message, manifest, identifier, writer_uuid
              FROM journal WHERE persistence_id = 'repository-{Repository}' AND manifest = 'ls'
            """, Ct);
        long start = Stopwatch.GetTimestamp();
        ProgramRun[] publishes = await Task.WhenAll(roots.Select(r => cluster.CliAsync(["publish", "--repo", Repository, r, .. store.Arguments, "--json"], Ct, node)));
        output.WriteLine($"eight publishes, the first of which loses its append: {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");

        Assert.All(publishes, p => Assert.Equal("committed", p.Json.GetProperty("status").GetString()));
        Assert.True(node.HasLogged("could not be appended"), node.LogTail(20));
        Assert.False(node.HasLogged("ledger-"), node.LogTail(20));
        Assert.Equal(1, (await node.TryStatusAsync(Ct))!.Value.GetProperty("epoch").GetInt32());
    }
}
