using System.Globalization;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Mirrors;

/// <summary>Squid between a stratum1 and its readers, as sites run it: objects are cached, manifests are as new as their lifetime says.</summary>
public sealed class SquidTests
{
    private const string Fqrn = "squid.example.org";

    private static readonly TimeSpan ManifestLifetime = TimeSpan.FromSeconds(61);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static bool FullSize => Environment.GetEnvironmentVariable("CVMFSNIX_TEST_FULL") == "1";

    [Fact]
    public async Task Objects_are_cached_and_manifests_are_as_new_as_their_lifetime_says()
    {
        string? squid = ForegroundServer.Find("squid");
        Assert.SkipWhen(squid is null, "squid is not installed (apt-get install squid)");
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-squid-").FullName;
        try
        {
            await using EmbeddedNode core = await EmbeddedNode.StartAsync(Ct);
            string key = Path.Combine(folder, "key.pub");
            await File.WriteAllTextAsync(key, (await core.CliAsync(["repo", "create", Fqrn, "--json"], null, Ct)).Json.GetProperty("publicKey").GetString()!, Ct);
            await using ClusterNode mirror = ClusterNode.Mirror(1, NodePlace.Loopback, Path.Combine(folder, "mirror"), ["--core", core.Grpc, "--replica-id", "m1"]);
            await mirror.StartAsync(Ct);
            ulong first = await PublishAsync(core, folder, "first");

            int port = ClusterOfNodes.FreePorts(1)[0];
            string configuration = Path.Combine(folder, "squid.conf");
            await File.WriteAllTextAsync(configuration, Squid(folder, port, new Uri(mirror.Http).Port), Ct);
            if (Environment.IsPrivilegedProcess)
                (await ProgramRun.RunAsync("chown", ["-R", "proxy", folder], null, Ct)).Succeeded();
            await using ForegroundServer proxy = await ForegroundServer.StartAsync(squid!, ["-N", "-f", configuration], port, Ct);
            string url = $"http://127.0.0.1:{port}/cvmfs/{Fqrn}";

            // A reader behind the proxy gets all of it, and the second one gets no object from the mirror.
            for (int reader = 0; reader < 2; reader++)
            {
                ProgramRun verified = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", url, "--pubkey", key, "--deep", "--json"], null, Ct);
                Assert.True(verified.ExitCode == 0, $"{verified.Output}{verified.Errors}");
                Assert.Equal(first, verified.Json.GetProperty("revision").GetUInt64());
            }

            string data = Path.Combine(mirror.Data, "cvmfs", Fqrn, "data");
            string[] objects = [.. Directory.EnumerateFiles(data, "*", SearchOption.AllDirectories).Where(static f => Path.GetFileName(Path.GetDirectoryName(f)!).Length == 2).Select(f => Path.GetRelativePath(data, f))];
            using var http = new HttpClient();
            int hits = 0;
            foreach (string name in objects)
            {
                using HttpResponseMessage answer = await http.GetAsync(new Uri($"{url}/data/{name}"), Ct);
                hits += IsHit(answer) ? 1 : 0;
                Assert.True(answer.Headers.CacheControl?.MaxAge >= TimeSpan.FromDays(1), name);
            }

            // All that a reader of the newest revision needs; what came before it was asked for by nobody.
            Assert.True(hits > 10 && hits >= objects.Length / 2, $"{hits} of {objects.Length} objects came from the cache");
            TestContext.Current.SendDiagnosticMessage($"{hits} of {objects.Length} objects came from the cache");

            // What is not there yet is not remembered as absent for long, and what changes not as it was.
            (ulong revision, TimeSpan age, bool hit) = await ManifestAsync(http, url);
            Assert.True(hit, "the manifest is not cached at all: every reader would reach the mirror");
            Assert.Equal(first, revision);
            Assert.True(age <= ManifestLifetime, $"{age}");
            ulong second = await PublishAsync(core, folder, "second");
            Assert.Equal(second, (await ManifestAsync(http, $"{mirror.Http}/cvmfs/{Fqrn}")).Revision);
            if (!FullSize)
                return;
            do
            {
                await Task.Delay(TimeSpan.FromSeconds(1), Ct);
                (revision, age, _) = await ManifestAsync(http, url);
                Assert.True(age <= ManifestLifetime, $"the cache still answers with revision {revision}, {age.TotalSeconds:0} s old");
            }
            while (revision < second);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(ulong Revision, TimeSpan Age, bool Hit)> ManifestAsync(HttpClient http, string url)
    {
        using HttpResponseMessage answer = await http.GetAsync(new Uri($"{url}/.cvmfspublished"), Ct);
        answer.EnsureSuccessStatusCode();
        string text = System.Text.Encoding.Latin1.GetString(await answer.Content.ReadAsByteArrayAsync(Ct));
        string line = text.Split('\n').First(static l => l.StartsWith('S'));
        return (ulong.Parse(line.AsSpan(1), CultureInfo.InvariantCulture), answer.Headers.Age ?? TimeSpan.Zero, IsHit(answer));
    }

    private static bool IsHit(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues("X-Cache", out IEnumerable<string>? values) && values.Any(static v => v.StartsWith("HIT", StringComparison.Ordinal));

    private static async Task<ulong> PublishAsync(EmbeddedNode core, string folder, string name)
    {
        string root = Path.Combine(folder, "store-" + name);
        string path = StoreDirectory.Default.FullPath(StorePathName.Create(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name)).AsSpan(0, StorePathName.HashSize), name));
        Directory.CreateDirectory(root + path);
        for (int i = 0; i < 20; i++)
            await File.WriteAllTextAsync($"{root}{path}/file{i}", $"{name} {i}", Ct);
        (NarHash hash, long size) = await NarFromDisk.HashAsync(root + path, Ct);
        await using (var writer = new StreamWriter(Path.Combine(root, "registration")))
            Registration.Write(writer, StoreDirectory.Default, [new PathInfo { Path = StorePathName.Parse(Path.GetFileName(path)), NarHash = hash, NarSize = size, References = [] }]);
        ProgramRun run = await core.CliAsync(["publish", "--repo", Fqrn, path, "--store-root", root, "--registration", Path.Combine(root, "registration"), "--wait", "all", "--json"], null, Ct);
        return run.Json.GetProperty("revision").GetUInt64();
    }

    private static string Squid(string folder, int port, int mirror) => $"""
        http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1:{mirror}
        cache_peer 127.0.0.1 parent {mirror} 0 no-query originserver name=mirror
        http_access allow all
        cache_peer_access mirror allow all
        never_direct allow all
        cache_mem 64 MB
        maximum_object_size_in_memory 16 MB
        pid_filename {folder}/squid.pid
        cache_log {folder}/cache.log
        access_log none
        coredump_dir {folder}
        pinger_enable off
        shutdown_lifetime 1 seconds
        visible_hostname localhost
        """;
}
