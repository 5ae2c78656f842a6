using CvmfsNix.Cluster.FaultTests.Nemesis.Faults;
using CvmfsNix.Cluster.FaultTests.Nemesis.Networks;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Nemesis;

/// <summary>Each fault by itself, while builders publish; after each of them everything acknowledged is on every node.</summary>
[Collection(NemesisCollection.Name)]
public sealed class SingleFaultTests(NemesisCluster cluster, ITestOutputHelper output)
{
    private const string InCampaign = "at full size only: the campaign of every run has it among its faults";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public Task A_leader_is_killed_while_it_appends() => WithLeaderAsync("kill-leader", (run, leader) => run.FaultAsync(
        $"kill -9 of the leader, node {leader.Number}", new KillFault(leader), leader, StepNames.AppendBefore, FaultTime.UntilNextAcknowledgement(), Ct));

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_gateway_is_killed_while_it_takes_a_publish() => WithLeaderAsync("kill-gateway", (run, leader) =>
    {
        ClusterNode gateway = Follower(leader);
        return run.FaultAsync($"kill -9 of the gateway, node {gateway.Number}", new KillFault(gateway), gateway, StepNames.SealBundle, FaultTime.UntilNextAcknowledgement(), Ct);
    });

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_store_is_killed_while_it_takes_over_a_revision() => WithLeaderAsync("kill-store", (run, leader) =>
    {
        ClusterNode store = Follower(leader);
        return run.FaultAsync($"kill -9 of the store, node {store.Number}", new KillFault(store), store, StepNames.NamedTemporary, FaultTime.UntilNextAcknowledgement(), Ct);
    });

    [Fact]
    public Task A_leader_that_was_frozen_beyond_its_downing_appends_nothing() => WithLeaderAsync("freeze-leader", async (run, leader) =>
    {
        await run.FaultAsync($"SIGSTOP of the leader, node {leader.Number}", new FreezeFault(leader), leader, StepNames.AppendBefore, FaultTime.UntilNextAcknowledgement(), Ct);
        Assert.NotEqual(leader.Number, (await cluster.Nodes.LeaderAsync(Ct)).Number);
        // Thawed, it appends and loses, or learns first that it was put out; which of them is up to the scheduler. That the journal refuses
        // it when it does append is shown by LostLeadershipTests, and the journal is looked at in either case.
        bool lost = leader.HasLogged($"{run.Fqrn}: event"), putOut = leader.HasLogged("has to join the cluster again");
        Assert.True(lost || putOut, $"the stale leader went on:\n{leader.LogTail(60)}");
    });

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_follower_is_frozen() => WithLeaderAsync("freeze-follower", (run, leader) =>
    {
        ClusterNode follower = Follower(leader);
        return run.FaultAsync($"SIGSTOP of node {follower.Number}", new FreezeFault(follower), follower, "", FaultTime.UntilNextAcknowledgement(2), Ct);
    });

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task The_database_restarts_in_order() => WithLeaderAsync("database-restart", (run, leader) => run.FaultAsync(
        "PostgreSQL restarts in order", new DatabaseStopFault(cluster.Postgres, crash: false), leader, StepNames.AppendBefore, FaultTime.Seconds(0), Ct));

    [Fact]
    public Task The_database_crashes_and_is_away_for_12_seconds() => WithLeaderAsync("database-outage", (run, leader) => run.FaultAsync(
        "PostgreSQL crashes and is away for 12 s", new DatabaseStopFault(cluster.Postgres, crash: true), leader, StepNames.SealBefore, FaultTime.Seconds(12), Ct));

    [Fact]
    public Task A_connection_is_cut_between_a_commit_and_its_reply() => WithLeaderAsync("commit-reply", (run, _) => run.FaultAsync(
        "connection cut between COMMIT and its reply", new CommitReplyFault(cluster.Proxy, $"repository-{run.Fqrn}"), null, "append, after its COMMIT", FaultTime.UntilNextAcknowledgement(), Ct));

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_disk_is_full() => WithLeaderAsync(
        "disk-full",
        async (run, leader) =>
        {
            // That of a leader is another test.
            if (leader == cluster.Small)
            {
                Assert.Equal(0, await leader.StopAsync(Ct));
                await leader.StartAsync(Ct);
                await cluster.HealthyAsync(Ct);
            }

            await run.FaultAsync($"disk of node {cluster.Small!.Number} full", new DiskFullFault(cluster.Small), cluster.Small, "", FaultTime.UntilNextAcknowledgement(3), Ct);
        },
        static c => c.Small is null ? "no file system of its own for a node (not root, or mounting is not allowed)" : null);

    [Fact]
    public Task A_leaders_disk_is_full() => WithLeaderAsync(
        "disk-full-leader",
        async (run, _) =>
        {
            // The oldest member leads: the others are started anew until this one is it.
            ClusterNode small = cluster.Small!;
            while (await cluster.Nodes.LeaderAsync(Ct) is var leader && leader != small)
            {
                Assert.Equal(0, await leader.StopAsync(Ct));
                await leader.StartAsync(Ct);
                await cluster.HealthyAsync(Ct);
            }

            var untilAnotherLeads = new FaultTime(TimeSpan.Zero, UntilProgress: true, ct => cluster.Nodes.UntilAsync(
                async () => await cluster.Nodes.LeaderAsync(ct) != small, "another node leads", ct));
            await run.FaultAsync($"disk of the leader, node {small.Number}, full", new DiskFullFault(small), small, StepNames.CatalogsBuilt, untilAnotherLeads, Ct);
        },
        static c => c.Small is null ? "no file system of its own for a node (not root, or mounting is not allowed)" : null);

    [Fact]
    public Task A_leader_is_cut_off_from_all() => WithNetworkAsync("partition-leader", (run, leader, network) => run.FaultAsync(
        $"the leader, node {leader.Number}, is cut off from nodes and database", PartitionFault.Alone(network, leader.Number, 3, databaseToo: true), leader, StepNames.CatalogsDurable, FaultTime.UntilNextAcknowledgement(), Ct));

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_leader_is_cut_off_from_the_other_nodes() => WithNetworkAsync("partition-nodes", (run, leader, network) => run.FaultAsync(
        $"the leader, node {leader.Number}, is cut off from the nodes", PartitionFault.Alone(network, leader.Number, 3, databaseToo: false), leader, StepNames.AppendBefore, FaultTime.UntilNextAcknowledgement(), Ct));

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_leader_is_not_heard() => WithNetworkAsync("unheard-leader", (run, leader, network) => run.FaultAsync(
        $"nodes hear nothing of the leader, node {leader.Number}", PartitionFault.Unheard(network, leader.Number, 3), leader, StepNames.AppendAfter, FaultTime.UntilNextAcknowledgement(), Ct));

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_leader_hears_nobody() => WithNetworkAsync("deaf-leader", (run, leader, network) => run.FaultAsync(
        $"the leader, node {leader.Number}, hears no node", PartitionFault.Deaf(network, leader.Number, 3), leader, StepNames.CatalogsBuilt, FaultTime.UntilNextAcknowledgement(), Ct));

    [Fact]
    public Task A_leader_is_cut_off_from_the_database() => WithNetworkAsync("leader-database", (run, leader, network) => run.FaultAsync(
        $"the leader, node {leader.Number}, is cut off from the database", PartitionFault.Database(network, leader.Number), leader, StepNames.AppendBefore, FaultTime.Seconds(8), Ct));

    [Fact(Skip = InCampaign, SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public Task A_link_is_slow() => WithNetworkAsync("slow-link", (run, leader, network) =>
    {
        ClusterNode slow = Follower(leader);
        return run.FaultAsync($"node {slow.Number} sends 1 Mbit/s", new SlowLinkFault(network, slow.Number, "1mbit"), slow, "", FaultTime.UntilNextAcknowledgement(4), Ct);
    });

    private ClusterNode Follower(ClusterNode leader) => cluster.Nodes.Nodes.First(n => n != leader);

    private Task WithNetworkAsync(string name, Func<NemesisRun, ClusterNode, NodeNetwork, Task> fault) => WithLeaderAsync(name, (run, leader) =>
        fault(run, leader, cluster.Network!), static c => c.Network is null ? $"no network namespaces here: {c.NetworkMissing}" : null);

    private async Task WithLeaderAsync(string name, Func<NemesisRun, ClusterNode, Task> fault, Func<NemesisCluster, string?>? missing = null)
    {
        await cluster.ReadyAsync(Ct);
        cluster.IsClean = true;
        if (missing?.Invoke(cluster) is { } why)
            Assert.Skip(why);
        await NemesisRun.RunAsync(cluster, name, output, async run => await fault(run, await cluster.Nodes.LeaderAsync(Ct)), Ct);
    }
}
