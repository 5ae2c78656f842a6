using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Sites;

/// <summary>
/// One of three sites is lost while builders publish; the tests do by hand what docs/cluster.md asks of an operator. Nothing acknowledged is
/// lost, publishing goes on, and the site that comes back ends complete.
/// </summary>
public sealed class SiteLossTests(ITestOutputHelper output)
{
    private static readonly TimeSpan StepWithin = TimeSpan.FromSeconds(30);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public Task The_site_with_leader_and_primary_is_cut_off() => SiteRun.RunAsync(
        "cut",
        output,
        async (run, sites) =>
        {
            ClusterNode lost = sites.Nodes.Nodes[0];
            // The worst moment: everything is ready, and the append is what the standby never hears of.
            HeldStep? held = await sites.Steps.HoldAsync(StepNames.AppendBefore, StepWithin, Ct);
            Assert.NotNull(held);
            long gone = TimeProvider.System.GetTimestamp();
            sites.Network.CutOff(1);
            held.Release();
            run.Transcript.Add("site 1 is cut off, with the leader and the primary, while it appends");
            await sites.Second.PromoteAsync(Ct);
            run.Transcript.Add("the standby of site 2 is the primary");
            await run.ProgressAsync("the leader and the primary are cut off", gone, Ct);

            // A builder that reaches only the site that was cut off is not told that anything was published.
            await NotAcknowledgedAsync(run, sites, lost);
            await run.CheckShowsNothingElseAsync(sites.First, sites.Second, Ct);

            // Before the line is mended the old primary goes; what comes back follows the new one.
            await sites.First.KillAsync();
            sites.Network.Heal();
            long healed = TimeProvider.System.GetTimestamp();
            await FollowAsync(sites.First, 1, sites.Second);
            await sites.HealthyAsync(Ct);
            await run.ProgressAsync("site 1 is back", healed, Ct);
            return sites.Second;
        },
        Ct);

    [Fact]
    public Task The_site_with_leader_and_primary_is_killed() => FullSizeAsync("killed", async (run, sites) =>
    {
        ClusterNode lost = sites.Nodes.Nodes[0];
        long gone = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(lost.KillAsync(), sites.First.KillAsync());
        run.Transcript.Add("everything in site 1 is killed, with the leader and the primary");
        await sites.Second.PromoteAsync(Ct);
        await run.ProgressAsync("the leader and the primary are dead", gone, Ct);

        // It comes back with empty disks.
        Directory.Delete(lost.Data, recursive: true);
        long back = TimeProvider.System.GetTimestamp();
        await FollowAsync(sites.First, 1, sites.Second);
        lost.Launch();
        await sites.HealthyAsync(Ct);
        await run.ProgressAsync("site 1 is back, empty", back, Ct);
        return sites.Second;
    });

    [Fact]
    public Task The_site_with_the_standby_is_killed() => FullSizeAsync("standby", async (run, sites) =>
    {
        ClusterNode lost = sites.Nodes.Nodes[1];
        long gone = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(lost.KillAsync(), sites.Second.KillAsync());
        run.Transcript.Add("everything in site 2 is killed, with the standby");
        // The primary acknowledges nothing until it is told to go on alone.
        await Task.Delay(TimeSpan.FromSeconds(3), Ct);
        await sites.First.SetAsync("synchronous_standby_names", "", Ct);
        await run.ProgressAsync("the standby is dead", gone, Ct);

        long back = TimeProvider.System.GetTimestamp();
        await FollowAsync(sites.Second, 2, sites.First);
        lost.Launch();
        await sites.HealthyAsync(Ct);
        await run.ProgressAsync("site 2 is back", back, Ct);
        return sites.First;
    });

    [Fact]
    public Task The_site_without_a_database_is_cut_off() => FullSizeAsync("third", async (run, sites) =>
    {
        long gone = TimeProvider.System.GetTimestamp();
        sites.Network.CutOff(3);
        run.Transcript.Add("site 3 is cut off");
        await run.ProgressAsync("site 3 is cut off", gone, Ct);
        await NotAcknowledgedAsync(run, sites, sites.Nodes.Nodes[2]);

        long healed = TimeProvider.System.GetTimestamp();
        sites.Network.Heal();
        await sites.HealthyAsync(Ct);
        await run.ProgressAsync("site 3 is back", healed, Ct);
        return sites.First;
    });

    private Task FullSizeAsync(string name, Func<SiteRun, ThreeSites, Task<PostgresServer>> happens)
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: one site is lost in every run, by another test");
        return SiteRun.RunAsync(name, output, happens, Ct);
    }

    // What was acknowledged by then is safe on the new primary; from here on a commit waits for the new standby as before.
    private static async Task FollowAsync(PostgresServer server, int site, PostgresServer primary)
    {
        await server.FollowAsync(primary, ThreeSites.Standby(site), Ct);
        await primary.SetAsync("synchronous_standby_names", ThreeSites.Standby(site), Ct);
    }

    private static async Task NotAcknowledgedAsync(SiteRun run, ThreeSites sites, ClusterNode only)
    {
        var store = new SyntheticStore(Path.Combine(sites.Nodes.Folder, "alone"));
        PathInfo path = await store.AddAsync("alone", "alone", [], 3, 1000, Ct);
        store.Register();
        ProgramRun alone = await sites.Nodes.CliAsync(
            ["publish", "--repo", run.Fqrn, SyntheticStore.FullPath(path.Path), .. store.Arguments, "--json", "--timeout", "15"], Ct, only);
        Assert.True(alone.ExitCode != 0, $"a node that was cut off acknowledged: {alone.Output}");
        run.Transcript.Add($"node {only.Number}, cut off, answers a builder: {alone.Output.Trim()}");
    }
}
