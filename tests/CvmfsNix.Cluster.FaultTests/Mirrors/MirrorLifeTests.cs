using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>What operators do to mirrors, and what mirrors lose: waits, pauses, another key, a lost index, journal or store, a long absence.</summary>
[Collection(MirrorCollection.Name)]
public sealed class MirrorLifeTests(MirrorSites sites, ITestOutputHelper output)
{
    private const int TimedOut = 4;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public Task A_wait_says_who_is_behind_and_nobody_waits_for_a_paused_mirror() => RunAsync("wait", builders: false, async run =>
    {
        ClusterNode mirror = sites.Of(MirrorSites.Far)[0];
        string id = MirrorSites.IdOf(mirror);
        await mirror.KillAsync();
        ulong before = run.ServedBy(mirror);

        ProgramRun all = await PublishAsync(run, "all", "--timeout", "6");
        Behind(all, id);
        Behind(await PublishAsync(run, "site:far", "--timeout", "6"), id);
        Behind(await PublishAsync(run, "replicas=4", "--timeout", "6"), id);
        Done(await PublishAsync(run, "replicas=3", "--timeout", "60"), 3);
        Done(await PublishAsync(run, "site:near", "--timeout", "60"), 2);
        Behind(await WaitAsync(run, "all", 3), id);

        await ChangeAsync(run, mirror, "pause");
        Done(await PublishAsync(run, "all", "--timeout", "60"), 3);
        await mirror.StartAsync(Ct);
        await run.ShowsAsync(mirror, r => r.GetProperty("state").GetString() == "paused", "paused", Ct);
        Done(await PublishAsync(run, "all", "--timeout", "60"), 3);
        Assert.Equal(before, run.ServedBy(mirror));
        Assert.Equal("paused", (await run.ShowAsync(mirror, Ct)).GetProperty("state").GetString());

        await ChangeAsync(run, mirror, "resume");
        Done(await PublishAsync(run, "all", "--timeout", "60"), 4);
        Assert.True(mirror.HasLogged("goes on; revision"), mirror.LogTail(30));
    });

    [Fact]
    public Task A_mirror_that_loses_its_index_its_journal_or_its_objects_ends_complete() => RunAsync("lost", builders: true, async run =>
    {
        ClusterNode mirror = sites.Of(MirrorSites.Near)[0];
        foreach ((string what, Action loss) in ((string, Action)[])
        [
            ("its index", () => Delete(Path.Combine(mirror.Data, "meta", run.Fqrn), "index.db*")),
            ("its journal", () => Delete(mirror.Data, "journal.db*")),
            ("its index and its journal", () =>
            {
                Delete(Path.Combine(mirror.Data, "meta", run.Fqrn), "index.db*");
                Delete(mirror.Data, "journal.db*");
            }),
            ("what is in meta", () => Directory.Delete(Path.Combine(mirror.Data, "meta", run.Fqrn), recursive: true)),
        ])
        {
            await mirror.KillAsync();
            loss();
            await mirror.StartAsync(Ct);
            long now = TimeProvider.System.GetTimestamp();
            await run.Load.ProgressAsync(now, Ct);
            await run.EverywhereAsync(await run.HeadAsync(Ct), "all", Ct);
            run.Watcher.Check();
            run.Transcript.Add($"{what} is gone, and it is complete at revision {run.ServedBy(mirror)}");
        }

        // What it served is gone with the store; until it is back there is nothing to be read, which the watcher would take for a fault.
        await run.Load.FinishAsync(Ct);
        await run.Watcher.EndAsync();
        await mirror.KillAsync();
        Directory.Delete(run.FolderOf(mirror), recursive: true);
        await mirror.StartAsync(Ct);
        await run.EverywhereAsync(await run.HeadAsync(Ct), "all", Ct);
        await sites.Nodes.UntilAsync(async () => run.ServedBy(mirror) == await run.HeadAsync(Ct), "the store is back", Ct);
        run.Transcript.Add("its store is gone, and fetched again");
    });

    [Fact]
    public Task Another_key_is_refused_and_what_was_served_is_served_on() => RunAsync("key", builders: false, async run =>
    {
        ClusterNode mirror = sites.Of(MirrorSites.Near)[1];
        ulong before = Revision(await PublishAsync(run, "all", "--timeout", "60"));
        string other = (await sites.Nodes.CliAsync(["repo", "create", "other-key.mirrors.example.org", "--json"], Ct)).Json.GetProperty("publicKey").GetString()!;
        string file = Path.Combine(mirror.Keys, run.Fqrn + ".pub");
        Directory.CreateDirectory(mirror.Keys);
        string? own = File.Exists(file) ? await File.ReadAllTextAsync(file, Ct) : null;
        await mirror.StopAsync(Ct);
        await File.WriteAllTextAsync(file, other, Ct);
        await mirror.StartAsync(Ct);
        ulong next = Revision(await PublishAsync(run, "replicas=3", "--timeout", "60"));
        await run.ShowsAsync(mirror, r => r.TryGetProperty("problem", out JsonElement p) && (p.GetString() ?? "").Contains("public key", StringComparison.Ordinal), "the other key", Ct);
        Assert.Equal(before, run.ServedBy(mirror));
        Assert.True(mirror.HasLogged("IS NOT FOLLOWED"), mirror.LogTail(30));

        await mirror.StopAsync(Ct);
        if (own is null)
            File.Delete(file);
        else
            await File.WriteAllTextAsync(file, own, Ct);
        await mirror.StartAsync(Ct);
        await run.EverywhereAsync(next, "all", Ct);
    });

    [Fact]
    public Task A_mirror_that_was_away_for_hundreds_of_revisions_catches_up() => RunAsync("far", builders: false, async run =>
    {
        const int Revisions = 300;
        ClusterNode mirror = sites.Of(MirrorSites.Far)[0];
        await mirror.StopAsync(Ct);
        await run.PublishOneByOneAsync(Revisions, Ct);
        ulong head = await run.HeadAsync(Ct);
        run.Transcript.Add($"it was away until revision {head}");
        long before = sites.Network.Carried(MirrorSites.Core, MirrorSites.Far);
        await mirror.StartAsync(Ct);
        await run.EverywhereAsync(head, "all", Ct);
        run.Transcript.Add($"it has caught up; {sites.Network.Carried(MirrorSites.Core, MirrorSites.Far) - before} bytes came over the long line");
        Assert.True(mirror.HasLogged("is indexed; what is served follows at the end"), mirror.LogTail(30));
    });

    private Task RunAsync(string name, bool builders, Func<MirrorRun, Task> happens)
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only");
        return MirrorRun.RunAsync(sites, name, builders, output, happens, Ct);
    }

    private static async Task<ProgramRun> PublishAsync(MirrorRun run, string wait, params string[] switches)
    {
        SyntheticStore small = await run.LargeAsync(3, 2000, Ct);
        ProgramRun published = await run.PublishAsync(small, ["--wait", wait, .. switches], Ct);
        run.Transcript.Add($"publish --wait {wait}: exit code {published.ExitCode}, {published.Output.Trim()}");
        return published;
    }

    private static async Task<ProgramRun> WaitAsync(MirrorRun run, string replicas, int seconds) => await run.Sites.Nodes.CliAsync(
        ["wait", "--repo", run.Fqrn, "--revision", $"{await run.HeadAsync(Ct)}", "--for", replicas, "--timeout", $"{seconds}", "--json"], Ct);

    private static async Task ChangeAsync(MirrorRun run, ClusterNode mirror, string change)
    {
        ProgramRun changed = await run.Sites.Nodes.CliAsync(["replica", change, MirrorSites.IdOf(mirror), "--repo", run.Fqrn, "--json"], Ct);
        Assert.True(changed.ExitCode == 0, $"{changed.Output}{changed.Errors}");
    }

    private static void Behind(ProgramRun run, string who)
    {
        Assert.True(run.ExitCode == TimedOut, $"exit code {run.ExitCode}: {run.Output}{run.Errors}");
        Assert.Contains(who, run.Output, StringComparison.Ordinal);
    }

    private static void Done(ProgramRun run, int replicas)
    {
        Assert.True(run.ExitCode == 0, $"exit code {run.ExitCode}: {run.Output}{run.Errors}");
        JsonElement answer = run.Json;
        ulong revision = answer.GetProperty("revision").GetUInt64();
        Assert.True(
            answer.GetProperty("replicas").EnumerateArray().Count(r => r.GetProperty("revision").GetUInt64() >= revision) >= replicas,
            run.Output);
    }

    private static ulong Revision(ProgramRun published)
    {
        Assert.True(published.ExitCode == 0, $"{published.Output}{published.Errors}");
        return published.Json.GetProperty("revision").GetUInt64();
    }

    private static void Delete(string folder, string pattern)
    {
        foreach (string file in Directory.GetFiles(folder, pattern))
            File.Delete(file);
    }
}
