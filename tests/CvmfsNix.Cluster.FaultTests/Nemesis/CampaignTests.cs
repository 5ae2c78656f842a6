using System.Globalization;
using CvmfsNix.Cluster.FaultTests.Nemesis.Faults;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Nemesis;

/// <summary>All faults in an order and at steps that the seed chooses, one after the other, for as long as is asked for.</summary>
[Collection(NemesisCollection.Name)]
public sealed class CampaignTests(NemesisCluster cluster, ITestOutputHelper output)
{
    private static readonly string[] StepsOfALeader =
        ["", StepNames.SealBefore, StepNames.SealAfter, StepNames.CatalogsBuilt, StepNames.CatalogsDurable, StepNames.AppendBefore, StepNames.AppendAfter, StepNames.NamedBefore];

    private static readonly string[] StepsOfAFollower =
        ["", StepNames.StageWritten, StepNames.StageDurable, StepNames.SealBundle, StepNames.SealBefore, StepNames.NamedTemporary, StepNames.NamedAfter];

    // Minutes: three quarters by default, half an hour at full size, or what CVMFSNIX_NEMESIS_MINUTES says.
    private static TimeSpan Length =>
        double.TryParse(Environment.GetEnvironmentVariable("CVMFSNIX_NEMESIS_MINUTES"), CultureInfo.InvariantCulture, out double minutes)
            ? TimeSpan.FromMinutes(minutes)
            : TimeSpan.FromMinutes(BuiltPrograms.FullSize ? 30 : 0.75);

    [Fact]
    public Task Everything_acknowledged_survives_a_campaign_of_all_faults() => NemesisRun.RunAsync(
        cluster,
        "campaign",
        output,
        async run =>
        {
            CancellationToken cancellationToken = TestContext.Current.CancellationToken;
            var kinds = new Queue<int>();
            long start = TimeProvider.System.GetTimestamp();
            while (TimeProvider.System.GetElapsedTime(start) < Length)
            {
                ClusterNode leader = await cluster.Nodes.LeaderAsync(cancellationToken);
                await OneAsync(run, leader, kinds, cancellationToken);
            }
        },
        TestContext.Current.CancellationToken);

    private async Task OneAsync(NemesisRun run, ClusterNode leader, Queue<int> kinds, CancellationToken cancellationToken)
    {
        Random random = run.Random;
        ClusterNode follower = cluster.Nodes.Nodes.Where(n => n != leader).ElementAt(random.Next(2));
        bool onLeader = random.Next(3) > 0;
        ClusterNode victim = onLeader ? leader : follower;
        string[] steps = onLeader ? StepsOfALeader : StepsOfAFollower;
        string step = steps[random.Next(steps.Length)];
        string who = $"{(onLeader ? "the leader, " : "")}node {victim.Number}";
        var time = new FaultTime(TimeSpan.FromSeconds(4 * random.NextDouble()), UntilProgress: random.Next(2) == 0);
        var away = new FaultTime(time.For, UntilProgress: false);
        int nodes = cluster.Nodes.Nodes.Count;

        var choices = new List<(string What, INemesisFault Fault, ClusterNode? At, string Step, FaultTime Time)>
        {
            ($"kill -9 of {who}", new KillFault(victim), victim, step, time),
            ($"SIGSTOP of {who}", new FreezeFault(victim), victim, step, time),
            ("PostgreSQL stops in order", new DatabaseStopFault(cluster.Postgres, crash: false), victim, step, away),
            ("PostgreSQL crashes", new DatabaseStopFault(cluster.Postgres, crash: true), victim, step, away),
            ("connection cut between COMMIT and its reply", new CommitReplyFault(cluster.Proxy, $"repository-{run.Fqrn}"), null, "append, after its COMMIT", time),
        };
        if (cluster.Small is { } small)
            choices.Add(($"disk of node {small.Number} full", new DiskFullFault(small), small, "", time));
        if (cluster.Network is { } network)
        {
            choices.AddRange(
            [
                ($"{who} is cut off from all", PartitionFault.Alone(network, victim.Number, nodes, databaseToo: true), victim, step, time),
                ($"{who} is cut off from the nodes", PartitionFault.Alone(network, victim.Number, nodes, databaseToo: false), victim, step, time),
                ($"{who} is not heard", PartitionFault.Unheard(network, victim.Number, nodes), victim, step, time),
                ($"{who} hears nobody", PartitionFault.Deaf(network, victim.Number, nodes), victim, step, time),
                ($"{who} is cut off from the database", PartitionFault.Database(network, victim.Number), victim, step, away),
                ($"{who} sends 2 Mbit/s", new SlowLinkFault(network, victim.Number, "2mbit"), victim, "", time),
            ]);
        }

        // Every kind once, in some order, before one comes again.
        if (kinds.Count == 0)
        {
            int[] order = [.. Enumerable.Range(0, choices.Count)];
            random.Shuffle(order);
            Array.ForEach(order, kinds.Enqueue);
        }

        (string what, INemesisFault fault, ClusterNode? at, string atStep, FaultTime lasts) = choices[kinds.Dequeue()];
        await run.FaultAsync(what, fault, at, atStep, lasts, cancellationToken);
    }
}
