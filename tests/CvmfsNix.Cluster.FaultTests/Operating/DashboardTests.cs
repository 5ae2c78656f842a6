using System.Globalization;
using System.Text.RegularExpressions;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>The dashboard in a real browser: what it shows is what <c>/metrics</c> says.</summary>
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
        string profile = Directory.CreateTempSubdirectory("cvmfsnix-chromium-").FullName;
        try
        {
            ProgramRun browser = await ProgramRun.RunAsync(
                "timeout",
                ["60", Chromium, .. Headless, $"--user-data-dir={profile}", "--window-size=1280,1200", "--virtual-time-budget=3000", "--dump-dom", node.Management + "/?once"],
                null,
                Ct);
            string page = browser.Succeeded().Output;
            using var client = new HttpClient();
            IReadOnlyDictionary<string, double> metrics = PrometheusSamples.Parse(await client.GetStringAsync(new Uri(node.Management + "/metrics"), Ct));
            Assert.Contains("data-ready=\"1\"", page, StringComparison.Ordinal);
            Assert.Equal(Number(metrics["cvmfsnix_members"]), Tile(page, "members"));
            Assert.Equal(Number(metrics["cvmfsnix_leader_epoch"]), Tile(page, "epoch"));
            Assert.Equal(Number(metrics[$"cvmfsnix_repository_paths{{repository=\"{Repository}\"}}"]), Tile(page, "paths"));
            Assert.Equal($"{Number(metrics["cvmfsnix_stores"])} / {Number(metrics["cvmfsnix_copies_required"])}", Tile(page, "stores"));
            Assert.Contains(Repository, page, StringComparison.Ordinal);
            Assert.DoesNotMatch("""(src|href)="(https?:)?//""", page);
            output.WriteLine($"{page.Length} characters of page");
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
