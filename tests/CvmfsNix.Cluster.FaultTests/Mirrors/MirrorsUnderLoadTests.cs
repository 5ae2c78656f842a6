using System.Globalization;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>Mirrors of two sites follow builders, and are read all the while.</summary>
[Collection(MirrorCollection.Name)]
public sealed class MirrorsUnderLoadTests(MirrorSites sites, ITestOutputHelper output)
{
    private static int Publishes => BuiltPrograms.FullSize ? 300 : 40;

    private static int LargePublishes => BuiltPrograms.FullSize ? 10 : 1;

    // At full size; the short run of continuous integration reads in proportion.
    private static int ReadsMin => BuiltPrograms.FullSize ? 1000 : 100;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public Task Every_replica_ends_complete_at_the_last_revision_and_never_shows_less_than_all_of_one() => MirrorRun.RunAsync(
        sites,
        "load",
        builders: true,
        output,
        async run =>
        {
            ClusterNode core = sites.Nodes.Nodes[0];
            (long Near, long Far) before = (sites.Network.Carried(MirrorSites.Core, MirrorSites.Near), sites.Network.Carried(MirrorSites.Core, MirrorSites.Far));
            (int Count, long Bytes) had = run.ObjectsOf(core);
            // A few as large as builds are, among the small ones.
            for (int i = 0; i < LargePublishes; i++)
                _ = await run.PublishLargeAsync(40, 50_000, Ct);
            await sites.Nodes.UntilAsync(
                () =>
                {
                    run.Watcher.Check();
                    return Task.FromResult(run.Load.Acknowledged >= Publishes && run.Watcher.Reads >= ReadsMin);
                },
                $"{Publishes} publishes and {ReadsMin} reads",
                Ct);
            await run.Load.FinishAsync(Ct);
            await run.EverywhereAsync(await run.HeadAsync(Ct), "all", Ct);
            (int Count, long Bytes) has = run.ObjectsOf(core);
            long delta = has.Bytes - had.Bytes;
            foreach ((int site, long start) in ((int, long)[])[(MirrorSites.Near, before.Near), (MirrorSites.Far, before.Far)])
            {
                long line = sites.Network.Carried(MirrorSites.Core, site) - start;
                long all = sites.Network.Carried(0, site) + sites.Network.Carried(MirrorSites.Core, site) + sites.Network.Carried(MirrorSites.Near + MirrorSites.Far - site, site);
                long counted = await sites.Network.ReceivedAsync(site, Ct);
                run.Transcript.Add(string.Create(
                    CultureInfo.InvariantCulture,
                    $"site {MirrorSites.NameOf(site)}: {line} bytes over the long line for {has.Count - had.Count} objects of {delta} bytes: {(double)line / delta:0.00} times the delta, for both mirrors together"));
                // The wire's count is the interface's own, but for a packet that is being taken this moment.
                Assert.InRange(counted, all * 0.99, all * 1.01);
                // Each byte once a site, and something for packets, records and the stream of events.
                if (BuiltPrograms.FullSize)
                    Assert.InRange((double)line / delta, 0.1, 1.5);
            }
        },
        Ct);
}
