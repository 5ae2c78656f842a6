using System.Diagnostics;
using System.Globalization;
using System.Net;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>
/// The binary cache beside nginx: the same closure pushed by stock Nix to a node and to nginx with PUT allowed, then read from both, in turns.
/// </summary>
internal sealed class NixCache : Benchmark
{
    private const string Repository = "cache.example.org";
    private const int Rounds = 3;

    public override string Name => "nix-cache";

    public override string Description => "narinfo requests/s, NAR MB/s and nix copy --to of a node's binary cache beside nginx; needs nix-bin and nginx; about 60 s";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["paths"] = "paths of the closure besides its root, default 200",
        ["kib"] = "size of a path's library at most, default 2048",
        ["seconds"] = "of each reading measurement, default 3",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        int paths = options.Number("paths", 200);
        TimeSpan duration = TimeSpan.FromSeconds(options.Number("seconds", 3));
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cvmfsnix-cache-");
        try
        {
            var nix = new Client(folder.FullName, cancellationToken);
            string root = (await nix.RunAsync("nix-build", TestData.Path("nix/synth.nix"), "--no-out-link", "--arg", "n", paths.ToString(CultureInfo.InvariantCulture), "--argstr", "seed", "bench",
                "--arg", "maxKiB", options.Number("kib", 2048).ToString(CultureInfo.InvariantCulture))).Trim();
            string[] closure = (await nix.RunAsync("nix-store", "-qR", root)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync(cancellationToken);
            (await node.CliAsync(["repo", "create", Repository, "--store-directory", nix.StoreDirectory], null, cancellationToken)).Succeeded();
            string www = Directory.CreateDirectory(folder.FullName + "/www").FullName;
            using NginxServer nginx = await NginxServer.StartAsync(folder.FullName, $"root {www}; location / {{ dav_methods PUT; create_full_put_path on; }}", cancellationToken);

            var report = new List<string>();
            double ours = await TimedAsync(() => nix.RunAsync("nix", "copy", "--to", node.CacheUrl(Repository) + "?compression=none", root));
            double plain = await TimedAsync(() => nix.RunAsync("nix", "copy", "--to", nginx.Url + "?compression=none", root));
            using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 64, AutomaticDecompression = DecompressionMethods.None });
            string commits = await CommitsAsync(node, cancellationToken);
            double bound = (1.5 * plain) + (closure.Length * 0.010);
            report.Add(LoadReport.Text($"nix copy --to, {closure.Length} paths: node {ours:0.0} s, plain PUT server {plain:0.0} s; the aim is at most 1.5 x {plain:0.0} s + {closure.Length} x 10 ms = {bound:0.0} s; {commits}"));

            string[] ids = [.. closure.Select(p => Path.GetFileName(p)[..32])];
            (string Name, string Url)[] servers = [("node", node.CacheUrl(Repository)), ("nginx", nginx.Url)];
            var infos = servers.ToDictionary(s => s.Name, _ => new List<double>());
            var nars = servers.ToDictionary(s => s.Name, _ => new List<double>());
            for (int round = 0; round < Rounds; round++)
            {
                foreach ((string name, string url) in servers)
                {
                    infos[name].Add((await LoadAsync(http, [.. ids.Select(id => $"{url}/{id}.narinfo")], 16, duration, cancellationToken)).Requests);
                    string[] urls = await NarUrlsAsync(http, url, ids, cancellationToken);
                    nars[name].Add((await LoadAsync(http, urls, 4, duration, cancellationToken)).Bytes / 1e6);
                }
            }

            report.Add(LoadReport.Text($"narinfo requests/s, 16 connections: node {Median(infos["node"]):0}, nginx {Median(infos["nginx"]):0}, ratio {Median(infos["node"]) / Median(infos["nginx"]):0.00}"));
            report.Add(LoadReport.Text($"NAR MB/s, 4 connections: node {Median(nars["node"]):0}, nginx {Median(nars["nginx"]):0}, ratio {Median(nars["node"]) / Median(nars["nginx"]):0.00}"));

            var fetch = servers.ToDictionary(s => s.Name, _ => new List<double>());
            for (int round = 0; round < Rounds; round++)
            {
                foreach ((string name, string url) in servers)
                    fetch[name].Add(await TimedAsync(() => nix.RunAsync("nix", "copy", "--no-check-sigs", "--from", url, "--to", $"local?root={folder.FullName}/{name}{round}", root)));
            }

            report.Add(LoadReport.Text($"nix copy --from, {closure.Length} paths: node {Median(fetch["node"]):0.0} s, nginx {Median(fetch["nginx"]):0.0} s"));
            report.ForEach(Console.WriteLine);
            return true;
        }
        finally
        {
            await ProgramRun.RunAsync("chmod", ["-R", "u+w", folder.FullName], null, CancellationToken.None);
            folder.Delete(recursive: true);
        }
    }

    private static async Task<string> CommitsAsync(EmbeddedNode node, CancellationToken ct)
    {
        System.Text.Json.JsonElement repository = (await node.CliAsync(["repo", "show", Repository, "--json"], null, ct)).Json;
        return string.Create(CultureInfo.InvariantCulture, $"{repository.GetProperty("paths").GetInt64()} paths in {repository.GetProperty("revision").GetInt64() - 1} commits");
    }

    private static async Task<string[]> NarUrlsAsync(HttpClient http, string url, string[] ids, CancellationToken ct)
    {
        var urls = new List<string>();
        foreach (string id in ids)
        {
            string info = await http.GetStringAsync(new Uri($"{url}/{id}.narinfo"), ct);
            urls.Add($"{url}/{info.Split('\n').First(l => l.StartsWith("URL: ", StringComparison.Ordinal))["URL: ".Length..]}");
        }

        return [.. urls];
    }

    private static async Task<(double Requests, double Bytes)> LoadAsync(HttpClient http, string[] urls, int connections, TimeSpan duration, CancellationToken ct)
    {
        long requests = 0, bytes = 0;
        int next = -1;
        long started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, connections).Select(async _ =>
        {
            byte[] block = new byte[256 << 10];
            while (Stopwatch.GetElapsedTime(started) < duration)
            {
                string url = urls[(uint)Interlocked.Increment(ref next) % urls.Length];
                using HttpResponseMessage answer = await http.GetAsync(new Uri(url), HttpCompletionOption.ResponseHeadersRead, ct);
                answer.EnsureSuccessStatusCode();
                await using Stream body = await answer.Content.ReadAsStreamAsync(ct);
                for (int read; (read = await body.ReadAsync(block, ct)) > 0;)
                    Interlocked.Add(ref bytes, read);
                Interlocked.Increment(ref requests);
            }
        }));
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return (requests / seconds, bytes / seconds);
    }

    private static async Task<double> TimedAsync(Func<Task> action)
    {
        long started = Stopwatch.GetTimestamp();
        await action();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static double Median(List<double> values) => LoadReport.Percentile(values, 50);

    /// <summary>Stock Nix with a store below a folder, which remembers nothing of what caches hold.</summary>
    private sealed class Client(string folder, CancellationToken ct)
    {
        private int _runs;

        public string StoreDirectory => folder + "/store";

        public async Task<string> RunAsync(string program, params string[] arguments)
        {
            var environment = new Dictionary<string, string>
            {
                ["NIX_STORE_DIR"] = StoreDirectory,
                ["NIX_STATE_DIR"] = folder + "/var",
                ["NIX_LOG_DIR"] = folder + "/log",
                ["NIX_CONF_DIR"] = folder + "/etc",
                ["NIX_REMOTE"] = "",
                ["XDG_CACHE_HOME"] = $"{folder}/cache{Interlocked.Increment(ref _runs)}",
                ["NIX_CONFIG"] = "experimental-features = nix-command\nsandbox = false\nbuild-users-group =\nsubstituters =",
            };
            return (await ProgramRun.RunAsync(program, arguments, environment, ct)).Succeeded().Output;
        }
    }
}
