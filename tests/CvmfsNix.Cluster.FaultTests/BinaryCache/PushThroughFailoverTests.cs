using System.Diagnostics;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BinaryCache;

/// <summary>
/// Stock Nix pushes a closure while the node that leads is killed. What is visible is closed under references at every moment, on every node.
/// </summary>
public sealed class PushThroughFailoverTests(ITestOutputHelper output) : IDisposable
{
    private const string Repository = "pushed.example.org";
    private static readonly TimeSpan FailsWithin = TimeSpan.FromSeconds(60);

    // Paths of the closure beside the one that needs them all, and how many are there when the leader is killed.
    private static readonly (int Paths, int AtKill) Size = BuiltPrograms.FullSize ? (200, 20) : (40, 8);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cvmfsnix-push-");
    private int _runs;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_push_outlives_the_leader_or_is_completed_by_a_second_one(bool throughTheLeader)
    {
        Assert.SkipUnless((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(f => File.Exists(Path.Combine(f, "nix-store"))), "nix-store is not installed (apt-get install nix-bin)");
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")), Ct);
        (await cluster.CliAsync(["repo", "create", Repository, "--store-directory", _folder.FullName + "/store", "--nix-db"], Ct)).Succeeded();
        string root = (await NixAsync("nix-build", TestData.Path("nix/synth.nix"), "--no-out-link", "--arg", "n", $"{Size.Paths}", "--argstr", "seed", "failover")).Succeeded().Output.Trim();
        Dictionary<string, string[]> references = await ReferencesAsync(root);
        ClusterNode leader = await cluster.LeaderAsync(Ct);
        ClusterNode used = throughTheLeader ? leader : cluster.Nodes.First(n => n != leader);

        using var watching = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        Task<int> watch = WatchAsync([.. cluster.Nodes.Where(n => n != leader).Select(n => n.Http)], references, watching.Token);
        Task<ProgramRun> push = PushAsync(used, root);
        await cluster.UntilAsync(async () => await ShownAsync(used.Http, references.Keys) >= Size.AtKill, $"{Size.AtKill} paths are pushed", Ct);
        Assert.False(push.IsCompleted, "the push was over before the leader was killed");
        long killed = Stopwatch.GetTimestamp();
        await leader.KillAsync();
        ProgramRun first = await push;
        output.WriteLine($"the push ended {Stopwatch.GetElapsedTime(killed).TotalSeconds:0.0} s after the kill with exit code {first.ExitCode}");

        if (throughTheLeader)
        {
            Assert.NotEqual(0, first.ExitCode);
            Assert.True(Stopwatch.GetElapsedTime(killed) < FailsWithin, first.Errors);
            used = cluster.Nodes.First(n => n != leader);
            (await PushAsync(used, root)).Succeeded();
        }
        else
        {
            first.Succeeded();
        }

        Assert.Equal(references.Count, await ShownAsync(used.Http, references.Keys));
        await watching.CancelAsync();
        output.WriteLine($"looked {await watch} times whether what is visible is closed under references");
        string target = $"local?root={_folder.FullName}/fetched";
        (await NixAsync("nix", "copy", "--no-check-sigs", "--from", $"{used.Http}/nix/{Repository}", "--to", target, root)).Succeeded();
        (await NixAsync("nix", "store", "verify", "--no-trust", "--store", target, "-r", root)).Succeeded();

        // The database of Nix in the tree comes along once nobody waits, under the new leader.
        string state = Directory.CreateDirectory(_folder.FullName + "/state").FullName;
        await cluster.UntilAsync(async () => await RegisteredAsync(cluster, used, state) == references.Count, "the database of Nix has all paths", Ct);
        output.WriteLine($"the database of Nix has all paths {Stopwatch.GetElapsedTime(killed).TotalSeconds:0.0} s after the kill");
    }

    private async Task<int> RegisteredAsync(ClusterOfNodes cluster, ClusterNode node, string state)
    {
        string folder = state + "/db";
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        (await cluster.CliAsync(["get", _folder.FullName + "/var/nix/db", folder, "--repo", Repository], Ct, node)).Succeeded();
        (await ProgramRun.RunAsync("chmod", ["-R", "u+w", folder], cancellationToken: Ct)).Succeeded();
        return Lines(await NixAsync("env", "NIX_STATE_DIR=" + state, "nix", "path-info", "--all")).Length;
    }

    public void Dispose()
    {
        using Process chmod = Process.Start("chmod", ["-R", "u+w", _folder.FullName]);
        chmod.WaitForExit();
        _folder.Delete(recursive: true);
    }

    private Task<ProgramRun> PushAsync(ClusterNode node, string root) => NixAsync("nix", "copy", "--to", $"{node.Http}/nix/{Repository}?compression=none", root);

    private Task<ProgramRun> NixAsync(string program, params string[] arguments) => ProgramRun.RunAsync(
        program,
        arguments,
        new Dictionary<string, string>
        {
            ["NIX_STORE_DIR"] = _folder.FullName + "/store",
            ["NIX_STATE_DIR"] = _folder.FullName + "/var",
            ["NIX_LOG_DIR"] = _folder.FullName + "/log",
            ["NIX_CONF_DIR"] = _folder.FullName + "/etc",
            ["NIX_REMOTE"] = "",
            ["XDG_CACHE_HOME"] = $"{_folder.FullName}/cache{Interlocked.Increment(ref _runs)}",
            ["NIX_CONFIG"] = "experimental-features = nix-command\nsandbox = false\nbuild-users-group =\nsubstituters =",
        },
        Ct);

    private async Task<Dictionary<string, string[]>> ReferencesAsync(string root)
    {
        var references = new Dictionary<string, string[]>();
        foreach (string path in Lines(await NixAsync("nix-store", "-qR", root)))
            references.Add(HashOf(path), [.. Lines(await NixAsync("nix-store", "-q", "--references", path)).Select(HashOf)]);
        return references;
    }

    private static string[] Lines(ProgramRun run) => run.Succeeded().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string HashOf(string path) => Path.GetFileName(path)[..32];

    private static async Task<int> ShownAsync(string http, IEnumerable<string> hashes)
    {
        using var client = new HttpClient();
        int shown = 0;
        foreach (string hash in hashes)
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri($"{http}/nix/{Repository}/{hash}.narinfo"), Ct);
            shown += answer.IsSuccessStatusCode ? 1 : 0;
        }

        return shown;
    }

    // A path that is seen must have all it refers to seen after it: asked in this order, nothing that appears meanwhile can hide a gap.
    private static async Task<int> WatchAsync(string[] nodes, Dictionary<string, string[]> references, CancellationToken ct)
    {
        using var client = new HttpClient();
        int looked = 0;
        while (!ct.IsCancellationRequested)
        {
            try
            {
                foreach (string http in nodes)
                {
                    foreach ((string hash, string[] needed) in references)
                    {
                        if (!await IsShownAsync(http, hash))
                            continue;
                        foreach (string reference in needed)
                            Assert.True(await IsShownAsync(http, reference), $"{http} shows {hash}, and not {reference}, to which it refers");
                        looked++;
                    }
                }
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                break;
            }
        }

        return looked;

        async Task<bool> IsShownAsync(string http, string hash)
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri($"{http}/nix/{Repository}/{hash}.narinfo"), ct);
            return answer.IsSuccessStatusCode;
        }
    }
}
