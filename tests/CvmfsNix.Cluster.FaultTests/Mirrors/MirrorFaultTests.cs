using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Nemesis.Faults;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Networks;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>
/// What can go wrong while a mirror takes a revision. It ends complete by itself; meanwhile it serves what it had; what happened is in its log and
/// in <c>replica show</c>. Each fault comes in the middle of a transfer, by the count of the bytes on the wire.
/// </summary>
[Collection(MirrorCollection.Name)]
public sealed class MirrorFaultTests(MirrorSites sites, ITestOutputHelper output)
{
    private const int Files = 24;
    private const int FileBytes = 1 << 20;
    private const long Middle = 6 << 20;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public Task The_long_line_is_cut() => RunAsync("cut", builders: BuiltPrograms.FullSize, always: true, async run =>
    {
        SyntheticStore large = await run.LargeAsync(Files, FileBytes, Ct);
        Task cut = sites.Network.AfterAsync(MirrorSites.Core, MirrorSites.Far, Middle, () => sites.Network.CutOff(MirrorSites.Far));
        ulong revision = Revision(await run.PublishAsync(large, ["--wait", "site:near", "--timeout", "60"], Ct));
        await cut.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        run.Transcript.Add($"the line to the far site is cut; revision {revision} is on the near site");
        foreach (ClusterNode mirror in sites.Of(MirrorSites.Far))
        {
            Assert.True(run.ServedBy(mirror) < revision, "it was cut after the transfer");
            // That takes as long as silence is taken for a pause.
            if (BuiltPrograms.FullSize)
                await run.ShowsAsync(mirror, r => r.GetProperty("state").GetString() == "unreachable", "unreachable", Ct);
        }

        long before = sites.Network.Carried(MirrorSites.Core, MirrorSites.Far);
        sites.Network.Heal();
        await run.EverywhereAsync(revision, "all", Ct);
        run.Transcript.Add($"the line is mended; {sites.Network.Carried(MirrorSites.Core, MirrorSites.Far) - before} bytes later both have it");
        if (!BuiltPrograms.FullSize)
            return;
        foreach (ClusterNode mirror in sites.Of(MirrorSites.Far))
        {
            Assert.True(mirror.HasLogged("Not followed any longer"), mirror.LogTail(30));
            await run.ShowsAsync(mirror, Told, "what happened", Ct);
        }
    });

    [Fact]
    public Task Bytes_are_damaged_on_the_wire() => RunAsync("wire", builders: false, always: false, async run =>
    {
        HashSet<int> ports = [.. sites.Nodes.Nodes.Select(n => new Uri(n.Http).Port)];
        var damage = new WireDamage(MirrorSites.Far, ports, every: 1500);
        sites.Network.Damage(damage);
        ulong revision = await run.PublishLargeAsync(Files, FileBytes, Ct);
        await run.EverywhereAsync(revision, "site:far", Ct);
        sites.Network.Damage(null);
        run.Transcript.Add($"{damage.Damaged} packets were damaged on their way to the far site, and both mirrors there have revision {revision}");
        Assert.True(damage.Damaged > 2, $"only {damage.Damaged} packets were damaged");
        Assert.Contains(sites.Of(MirrorSites.Far), m => m.HasLogged("damaged"));
        JsonElement[] shown = await Task.WhenAll(sites.Of(MirrorSites.Far).Select(m => run.ShowAsync(m, Ct)));
        run.Transcript.Add(string.Join('\n', shown.Select(s => s.GetRawText())));
        Assert.Contains(shown, Told);
    });

    [Fact]
    public Task The_receiver_is_killed() => RunAsync("receiver", builders: true, always: false, async run =>
    {
        ClusterNode victim = sites.Of(MirrorSites.Near)[0];
        SyntheticStore large = await run.LargeAsync(Files, FileBytes, Ct);
        Task killed = sites.Network.AfterAsync(MirrorSites.Core, MirrorSites.Near, Middle, () => Kill(victim));
        ulong revision = Revision(await run.PublishAsync(large, [], Ct));
        await killed.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        await victim.KillAsync();
        Assert.True(run.ServedBy(victim) < revision, "it was killed after the transfer");
        run.Transcript.Add($"killed while it serves revision {run.ServedBy(victim)} and fetches {revision}");
        await run.EverywhereAsync(revision, "replicas=3", Ct);
        await run.ShowsAsync(victim, r => r.GetProperty("state").GetString() == "unreachable", "unreachable", Ct);
        long before = sites.Network.Carried(MirrorSites.Core, MirrorSites.Near);
        await victim.StartAsync(Ct);
        await run.EverywhereAsync(revision, "all", Ct);
        long again = sites.Network.Carried(MirrorSites.Core, MirrorSites.Near) - before;
        run.Transcript.Add($"started again and complete; {again} bytes came over the long line for it");
        // What it had it keeps, and its sibling has the rest.
        Assert.True(again < Files * FileBytes / 2, $"{again} bytes came over the long line again");
    });

    [Fact]
    public Task The_core_node_that_feeds_it_is_killed() => RunAsync("feeder", builders: true, always: false, async run =>
    {
        ClusterNode mirror = sites.Of(MirrorSites.Far)[0];
        string followed = (await mirror.TryStatusAsync(Ct))!.Value.GetProperty("follows").GetString()!;
        ClusterNode feeder = sites.Nodes.Nodes.Single(n => n.Grpc == followed);
        SyntheticStore large = await run.LargeAsync(Files, FileBytes, Ct);
        Task killed = sites.Network.AfterAsync(MirrorSites.Core, MirrorSites.Far, Middle, () => Kill(feeder));
        // Through another node, which answers whatever becomes of the one that feeds.
        ulong revision = Revision(await run.PublishAsync(large, [], Ct));
        await killed.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        await feeder.KillAsync();
        Assert.True(run.ServedBy(mirror) < revision, "it was killed after the transfer");
        run.Transcript.Add($"node {feeder.Number}, which fed {MirrorSites.IdOf(mirror)}, is killed while it fetches revision {revision}");
        await run.EverywhereAsync(revision, "all", Ct);
        string now = (await mirror.TryStatusAsync(Ct))!.Value.GetProperty("follows").GetString()!;
        run.Transcript.Add($"complete, and it follows {now} instead of {followed}");
        Assert.NotEqual(followed, now);
        Assert.True(mirror.HasLogged("Not followed any longer"), mirror.LogTail(30));
        await run.ShowsAsync(mirror, Told, "what happened", Ct);
        await feeder.StartAsync(Ct);
    });

    [Fact]
    public Task Its_disk_is_full() => RunAsync("disk", builders: true, always: false, async run =>
    {
        Assert.SkipWhen(sites.Small is null, "no file system of a mirror's own can be mounted here");
        ClusterNode mirror = sites.Small!;
        var fault = new DiskFullFault(mirror);
        SyntheticStore large = await run.LargeAsync(Files, FileBytes, Ct);
        Task filled = sites.Network.AfterAsync(MirrorSites.Core, MirrorSites.Far, Middle, static () => { });
        Task<ProgramRun> publishing = run.PublishAsync(large, [], Ct);
        await filled.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        await fault.InjectAsync(Ct);
        ulong revision = Revision(await publishing);
        run.Transcript.Add($"not a byte is left on the disk of {MirrorSites.IdOf(mirror)}; it serves {run.ServedBy(mirror)}, revision {revision} is committed");
        await run.EverywhereAsync(revision, "replicas=3", Ct);
        await run.ShowsAsync(mirror, r => Problem(r).Length > 0 && r.GetProperty("revision").GetUInt64() < revision, "the problem", Ct);
        Assert.True(mirror.HasLogged("does not get on"), mirror.LogTail(30));
        Assert.True(run.ServedBy(mirror) < revision, "it had room");
        await fault.HealAsync(Ct);
        run.Transcript.Add("there is room again");
        await run.EverywhereAsync(revision, "all", Ct);
        await run.ShowsAsync(mirror, r => Problem(r).Length == 0 && Told(r), "no problem any more, but what it was", Ct);
    });

    [Fact]
    public Task Objects_are_damaged_at_rest() => RunAsync("rest", builders: true, always: false, async run =>
    {
        ClusterNode mirror = sites.Of(MirrorSites.Near)[1];
        ulong revision = await run.PublishLargeAsync(Files, FileBytes, Ct);
        await run.EverywhereAsync(revision, "all", Ct);
        string[] objects =
        [
            .. Directory.EnumerateFiles(Path.Combine(run.FolderOf(mirror), "data"), "*", SearchOption.AllDirectories)
                .Where(f => Path.GetFileName(f).Length == 38 && new FileInfo(f).Length >= FileBytes).Order(StringComparer.Ordinal).Take(2),
        ];
        Assert.Equal(2, objects.Length);
        foreach (string file in objects)
            run.Watcher.Tolerate(ObjectName.Parse(Path.GetFileName(Path.GetDirectoryName(file)) + Path.GetFileName(file)));
        await using (FileStream damaged = File.Open(objects[0], FileMode.Open, FileAccess.ReadWrite))
        {
            damaged.Position = 1000;
            int value = damaged.ReadByte();
            damaged.Position = 1000;
            damaged.WriteByte((byte)(value ^ 1));
        }

        File.Delete(objects[1]);
        run.Transcript.Add($"{objects[0]} is damaged, {objects[1]} is gone");
        ProgramRun scrub = await sites.Nodes.CliAsync(["replica", "scrub", MirrorSites.IdOf(mirror), "--repo", run.Fqrn, "--bytes-per-second", "1000000000", "--json"], Ct);
        Assert.True(scrub.ExitCode == 0, scrub.Errors);
        await run.ShowsAsync(
            mirror,
            r => r.TryGetProperty("scrub", out JsonElement s) && s.ValueKind == JsonValueKind.Object && s.GetProperty("damaged").GetInt64() == 2 && s.GetProperty("repaired").GetInt64() == 2 && !s.GetProperty("running").GetBoolean(),
            "two damaged and mended",
            Ct);
        Assert.All(objects, f => Assert.True(File.Exists(f)));
        Assert.True(mirror.HasLogged("fetched again"), mirror.LogTail(30));
    });

    private Task RunAsync(string name, bool builders, bool always, Func<MirrorRun, Task> happens)
    {
        Assert.SkipUnless(always || BuiltPrograms.FullSize, "at full size only");
        return MirrorRun.RunAsync(sites, name, builders, output, happens, Ct);
    }

    private static ulong Revision(ProgramRun published)
    {
        Assert.True(published.ExitCode == 0, $"{published.Output}{published.Errors}");
        return published.Json.GetProperty("revision").GetUInt64();
    }

    private static string Problem(JsonElement replica) => replica.TryGetProperty("problem", out JsonElement problem) ? problem.GetString() ?? "" : "";

    private static bool Told(JsonElement replica) =>
        replica.TryGetProperty("lastTrouble", out JsonElement trouble) && trouble.ValueKind == JsonValueKind.Object && trouble.GetProperty("text").GetString() is { Length: > 0 };

    // On the wire's thread: only the signal, the rest waits for the process elsewhere.
    private static void Kill(ClusterNode node)
    {
        using var process = System.Diagnostics.Process.GetProcessById(node.Id);
        process.Kill();
    }
}
