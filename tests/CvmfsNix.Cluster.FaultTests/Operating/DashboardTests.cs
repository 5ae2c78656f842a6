using System.Globalization;
using System.Text.RegularExpressions;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>
/// The dashboard in a real browser: what it shows is what <c>/metrics</c> says. Pictures of it are left in the folder that <c>CVMFSNIX_TEST_PICTURES</c> names, to be looked at.
/// </summary>
public sealed partial class DashboardTests(ITestOutputHelper output)
{
    private const string Repository = "page.example.org";
    private const string Chromium = "/usr/bin/chromium";

    private static readonly string[] Headless =
        ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_page_shows_the_numbers_of_the_metrics_and_fetches_nothing_from_elsewhere()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: a browser is a large thing to install");
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Ct);
        (await node.CliAsync(["repo", "create", Repository], null, Ct)).Succeeded();
        string page = await PageAsync(node.Management, "1280,1200");
        IReadOnlyDictionary<string, double> metrics = await MetricsAsync(node.Management);
        Assert.Contains("data-ready=\"1\"", page, StringComparison.Ordinal);
        Assert.Equal(Number(metrics["cvmfsnix_members"]), Tile(page, "members"));
        Assert.Equal(Number(metrics["cvmfsnix_leader_epoch"]), Tile(page, "epoch"));
        Assert.Equal(Number(metrics[$"cvmfsnix_repository_paths{{repository=\"{Repository}\"}}"]), Tile(page, "paths"));
        Assert.Equal($"{Number(metrics["cvmfsnix_stores"])} / {Number(metrics["cvmfsnix_copies_required"])}", Tile(page, "stores"));
        Assert.Contains(Repository, page, StringComparison.Ordinal);
        Assert.DoesNotMatch("""(src|href)="(https?:)?//""", page);
        output.WriteLine($"{page.Length} characters of page");
    }

    [Fact]
    public async Task Pictures_of_a_cluster_that_idles_works_loses_its_leader_and_has_a_mirror_that_lags()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: a browser, three nodes, two mirrors");
        Assert.SkipWhen(PostgresServer.Missing is { }, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--timing", "wan"] }, Ct);
        await cluster.MembersAsync(3, Ct);
        string data = Directory.CreateTempSubdirectory("cvmfsnix-mirrors-").FullName;
        await using ClusterNode geneva = Mirror(1, "geneva"), chicago = Mirror(2, "chicago");
        (await cluster.CliAsync(["repo", "create", Repository], Ct)).Succeeded();
        (await cluster.CliAsync(["repo", "create", "second.example.org"], Ct)).Succeeded();
        string closure = Path.Combine(data, "closure");
        string app = (await ProgramRun.RunAsync(BuiltProgram.Cli, ["dev", "make-closure", closure], null, Ct)).Succeeded().Output.Trim();
        await PublishAsync("ci", "all");

        ClusterNode leader = await cluster.LeaderAsync(Ct);
        ClusterNode asked = cluster.Nodes.First(n => n != leader);
        await ShootAsync("idle");

        using (var ended = new CancellationTokenSource())
        {
            Task[] builders = [.. Enumerable.Range(0, 3).Select(b => Task.Run(async () =>
            {
                while (!ended.IsCancellationRequested)
                    await PublishAsync($"builder{b}", "committed");
            }))];
            // As long as a curve needs to be one.
            for (int i = 0; i < 4; i++)
                await PublishAsync("watcher", "replicas=1");
            await ShootAsync("load", compared: false);
            await ended.CancelAsync();
            await Task.WhenAll(builders);
        }

        chicago.Freeze();
        for (int i = 0; i < 3; i++)
            await PublishAsync("late", "site:geneva");
        await UntilMetricAsync(m => m.Any(s => s.Key.StartsWith("cvmfsnix_replica_lag_revisions", StringComparison.Ordinal) && s.Key.Contains("chicago", StringComparison.Ordinal) && s.Value >= 3));
        await ShootAsync("lagging", compared: false);
        chicago.Thaw();
        await PublishAsync("again", "all");

        // As several sites time it, a failover lasts long enough for a picture.
        await leader.KillAsync();
        await UntilMetricAsync(m => m["cvmfsnix_members_unreachable"] > 0);
        await ShootAsync("failover", compared: false);
        await PublishAsync("after", "committed");
        await cluster.MembersAsync(2, Ct, asked);
        await ShootAsync("after");
        Directory.Delete(data, recursive: true);

        ClusterNode Mirror(int number, string site)
        {
            ClusterNode mirror = ClusterNode.Mirror(number, NodePlace.Loopback, Path.Combine(data, site), ["--core", cluster.Servers, "--replica-id", site, "--site", site]);
            mirror.Launch();
            return mirror;
        }

        async Task PublishAsync(string profile, string waitFor) => (await cluster.CliAsync(
            ["publish", "--repo", Repository, app, "--store-root", closure, "--registration", Path.Combine(closure, "registration"), "--profile", $"{profile}-{Guid.NewGuid():N}"[..20], "--wait", waitFor], Ct)).Succeeded();

        async Task UntilMetricAsync(Func<IReadOnlyDictionary<string, double>, bool> condition) =>
            await cluster.UntilAsync(async () => condition(await MetricsAsync(asked.Management)), "the metrics say so", Ct);

        async Task ShootAsync(string scene, bool compared = true)
        {
            foreach ((string name, string size, string light) in ((string, string, string)[])[("light", "1280,1250", "1"), ("dark", "1280,1250", "0"), ("phone", "500,2100", "1")])
            {
                string file = Path.Combine(Pictures, $"dashboard-{scene}-{name}.png");
                File.Delete(file);
                string profile = Directory.CreateTempSubdirectory("cvmfsnix-chromium-").FullName;
                (await ProgramRun.RunAsync(
                    "timeout",
                    ["60", Chromium, .. Headless, $"--user-data-dir={profile}", $"--window-size={size}", $"--blink-settings=preferredColorScheme={light}", "--hide-scrollbars", "--virtual-time-budget=3000", $"--screenshot={file}", asked.Management + "/?once"],
                    null,
                    Ct)).Succeeded();
                Directory.Delete(profile, recursive: true);
                Assert.True(new FileInfo(file).Length > 10_000, $"{file} shows nothing");
            }

            string page = await PageAsync(asked.Management, "1280,1250");
            IReadOnlyDictionary<string, double> metrics = await MetricsAsync(asked.Management);
            output.WriteLine($"{scene}: members {Tile(page, "members")}, unreachable {Tile(page, "unreachable")}, epoch {Tile(page, "epoch")}, paths {Tile(page, "paths")}, stores {Tile(page, "stores")}");
            if (!compared)
                return;
            Assert.Equal(Number(metrics["cvmfsnix_members"]), Tile(page, "members"));
            Assert.Equal(Number(metrics["cvmfsnix_members_unreachable"]), Tile(page, "unreachable"));
            Assert.Equal(Number(metrics["cvmfsnix_leader_epoch"]), Tile(page, "epoch"));
            Assert.Equal(Number(metrics.Where(m => m.Key.StartsWith("cvmfsnix_repository_paths{", StringComparison.Ordinal)).Sum(m => m.Value)), Tile(page, "paths"));
            Assert.Equal($"{Number(metrics["cvmfsnix_stores"])} / {Number(metrics["cvmfsnix_copies_required"])}", Tile(page, "stores"));
        }
    }

    private static string Pictures => Environment.GetEnvironmentVariable("CVMFSNIX_TEST_PICTURES") is { Length: > 0 } folder ? Directory.CreateDirectory(folder).FullName : Path.GetTempPath();

    private static async Task<IReadOnlyDictionary<string, double>> MetricsAsync(string management)
    {
        using var client = new HttpClient();
        return PrometheusSamples.Parse(await client.GetStringAsync(new Uri(management + "/metrics"), Ct));
    }

    private static async Task<string> PageAsync(string management, string size)
    {
        string profile = Directory.CreateTempSubdirectory("cvmfsnix-chromium-").FullName;
        try
        {
            return (await ProgramRun.RunAsync(
                "timeout", ["60", Chromium, .. Headless, $"--user-data-dir={profile}", $"--window-size={size}", "--virtual-time-budget=3000", "--dump-dom", management + "/?once"], null, Ct)).Succeeded().Output;
        }
        finally
        {
            Directory.Delete(profile, recursive: true);
        }
    }

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Tile(string page, string id) => TileOf().Matches(page).First(m => m.Groups["id"].Value == id).Groups["value"].Value;

    [GeneratedRegex("""<b id="tile-(?<id>[a-z]+)">(?<value>[^<]*)</b>""")]
    private static partial Regex TileOf();
}
