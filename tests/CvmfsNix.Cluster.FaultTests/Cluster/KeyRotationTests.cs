using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>
/// Another key takes over in a cluster of three nodes with folders of their own and a mirror, while the leader dies on the way. A client that reads
/// manifest, certificate and whitelist all the time, as stock clients do, is never shown a manifest whose certificate its whitelist lacks.
/// </summary>
public sealed class KeyRotationTests(ITestOutputHelper output)
{
    private const string Fqrn = "rotation.example.org";
    private const int CachesSeconds = 15;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact(Skip = "at full size only: one node shows the steps in every run", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public async Task Another_key_takes_over_while_the_leader_is_killed_and_no_client_is_shown_what_it_does_not_accept()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = ClusterOfNodes.Create(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "2"], SeparateKeys = true });
        await cluster.Nodes[0].StartAsync(Ct);
        (await cluster.CliAsync(["key", "create", Fqrn, "--keys", cluster.Nodes[0].Keys], Ct)).Succeeded();
        foreach (ClusterNode node in cluster.Nodes.Skip(1))
            Copy(cluster.Nodes[0], node);
        await cluster.StartAllAsync(Ct);
        await cluster.MembersAsync(3, Ct);
        string pem = (await cluster.CliAsync(["repo", "create", Fqrn, "--json"], Ct)).Json.GetProperty("publicKey").GetString()!;
        ClusterNode leader = await cluster.LeaderAsync(Ct);
        ClusterNode asked = cluster.Nodes.First(n => n != leader), third = cluster.Nodes.Last(n => n != leader);
        await using ClusterNode mirror = ClusterNode.Mirror(4, NodePlace.Loopback, Path.Combine(cluster.Folder, "m1"), ["--core", cluster.Servers, "--repo", Fqrn, "--replica-id", "m1"]);
        await mirror.StartAsync(Ct);
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));
        string[] paths = [.. await Task.WhenAll(Enumerable.Range(0, 3).Select(async i => SyntheticStore.FullPath((await store.AddAsync($"p{i}", $"p{i}", [], 5, 20_000, Ct)).Path)))];
        store.Register();
        await PublishAsync(paths[0]);
        string old = await SignedByAsync(asked.Http);

        // Without a next key; with one that only the leader has.
        ProgramRun none = await RotateAsync();
        Assert.True(none.ExitCode == 1 && Said(none).Contains("key create", StringComparison.Ordinal), Said(none));
        string next = (await cluster.CliAsync(["key", "create", Fqrn, "--next", "--keys", leader.Keys, "--json"], Ct)).Json.GetProperty("fingerprint").GetString()!;
        ProgramRun alone = await RotateAsync("--caches", "0");
        Assert.True(alone.ExitCode == 1, Said(alone));
        Assert.All(cluster.Nodes.Where(n => n != leader), n => Assert.Contains(n.Address, Said(alone), StringComparison.Ordinal));
        Assert.Equal(old, await SignedByAsync(asked.Http));

        foreach (ClusterNode node in cluster.Nodes.Where(n => n != leader))
            Copy(leader, node);
        await using var watch = new TrustWatch([.. cluster.Nodes.Append(mirror).Select(n => n.Http)]);
        Task<ProgramRun> rotating = RotateAsync("--caches", CachesSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await cluster.UntilAsync(async () => (await WhitelistAsync(mirror.Http)).Contains(next, StringComparison.Ordinal), "the mirror's whitelist names the next key", Ct);
        await leader.KillAsync();
        ProgramRun rotated = await rotating;
        output.WriteLine(rotated.Output + rotated.Errors);
        rotated.Succeeded();
        Assert.Equal(["listed", "signing", "done"], rotated.JsonLines.Where(l => l.TryGetProperty("stage", out _)).Select(l => l.GetProperty("stage").GetString()!).Distinct());
        await PublishAsync(paths[1]);
        (int reads, IReadOnlyCollection<string> signers) = await watch.EndAsync();
        output.WriteLine($"{reads} reads, none of a manifest that its client would not accept");
        Assert.Equal(new[] { old, next }.Order(StringComparer.Ordinal), signers.Order(StringComparer.Ordinal));
        Assert.DoesNotContain(old, await WhitelistAsync(mirror.Http), StringComparison.Ordinal);

        // Back with both keys; then without the old one; then with nothing but the old one, and an empty folder.
        await leader.StartAsync(Ct);
        await cluster.MembersAsync(3, Ct);
        foreach (string file in (string[])[".crt", ".key"])
            File.Delete(Path.Combine(third.Keys, Fqrn + file));
        Assert.Equal(0, await third.StopAsync(Ct));
        await third.StartAsync(Ct);
        await cluster.MembersAsync(3, Ct);
        Assert.Equal(0, await asked.StopAsync(Ct));
        foreach (string file in (string[])[".crt.2", ".key.2"])
            File.Move(Path.Combine(asked.Keys, Fqrn + file), Path.Combine(cluster.Folder, Fqrn + file));
        foreach (string folder in Directory.EnumerateDirectories(asked.Data).Where(d => Path.GetFullPath(d) != Path.GetFullPath(asked.Keys)))
            Directory.Delete(folder, recursive: true);
        asked.Launch();
        await cluster.UntilAsync(async () => (await asked.TryNotReadyAsync(Ct))?.Contains($"signing keys of {Fqrn} are not in {asked.Keys}", StringComparison.Ordinal) == true, "the node says which key is missing", Ct);
        foreach (string file in (string[])[".crt.2", ".key.2"])
            File.Move(Path.Combine(cluster.Folder, Fqrn + file), Path.Combine(asked.Keys, Fqrn + file));
        await cluster.MembersAsync(3, Ct);
        await PublishAsync(paths[2]);
        string key = Path.Combine(cluster.Folder, "rotation.pub");
        await File.WriteAllTextAsync(key, pem, Ct);
        foreach (ClusterNode node in cluster.Nodes.Append(mirror))
        {
            await cluster.UntilAsync(async () => (await TextAsync(node.Http, ".cvmfspublished")).Contains("\nS4\n", StringComparison.Ordinal), $"node {node.Number} serves revision 4", Ct);
            Assert.Equal(next, await SignedByAsync(node.Http));
            (await cluster.CliAsync(["verify", $"{node.Http}/cvmfs/{Fqrn}", "--pubkey", key, "--deep"], Ct)).Succeeded();
        }

        Task<ProgramRun> RotateAsync(params string[] switches) =>
            ProgramRun.RunAsync(BuiltProgram.Cli, ["pbm", new Uri(asked.Grpc).Authority, "key", "rotate", "-r", Fqrn, "--yes", "--json", .. switches], cancellationToken: Ct);

        async Task PublishAsync(string path) => (await cluster.CliAsync(["publish", "--repo", Fqrn, path, "--json", .. store.Arguments], Ct)).Succeeded();

        static string Said(ProgramRun run) => run.Output + run.Errors;

        Task<string> WhitelistAsync(string url) => TextAsync(url, ".cvmfswhitelist");

        async Task<string> SignedByAsync(string url) => (await TrustWatch.LookAsync(url, Ct)).Signer;
    }

    private static async Task<string> TextAsync(string url, string file)
    {
        using var client = new HttpClient();
        return Encoding.Latin1.GetString(await client.GetByteArrayAsync(new Uri($"{url}/cvmfs/{Fqrn}/{file}"), Ct));
    }

    private static void Copy(ClusterNode from, ClusterNode to)
    {
        Directory.CreateDirectory(to.Keys);
        foreach (string file in Directory.EnumerateFiles(from.Keys).Where(f => !Path.GetFileName(f).StartsWith('.')))
            File.Copy(file, Path.Combine(to.Keys, Path.GetFileName(file)), overwrite: true);
    }

    // Manifest, the certificate it names, whitelist: in the order of stock clients, from every server, again and again.
    private sealed class TrustWatch : IAsyncDisposable
    {
        private static readonly HttpClient Client = new() { Timeout = TimeSpan.FromSeconds(3) };

        private readonly CancellationTokenSource _enough = new();
        private readonly ConcurrentDictionary<string, int> _signers = new(StringComparer.Ordinal);
        private readonly ConcurrentQueue<string> _refused = new();
        private readonly Task[] _watches;

        public TrustWatch(IEnumerable<string> urls) => _watches = [.. urls.Select(u => Task.Run(() => WatchAsync(u)))];

        public static async Task<(string Signer, bool Accepted)> LookAsync(string url, CancellationToken ct)
        {
            SignedManifest manifest = Manifest.ParseSigned(await GetAsync(".cvmfspublished"));
            string object_ = manifest.Manifest.Certificate.ToString();
            using var plain = new ZLibStream(new MemoryStream(await GetAsync($"data/{object_[..2]}/{object_[2..]}X")), CompressionMode.Decompress);
            using var pem = new MemoryStream();
            await plain.CopyToAsync(pem, ct);
            RepositoryCertificate certificate = RepositoryCertificate.Parse(pem.ToArray());
            SignedWhitelist whitelist = Whitelist.ParseSigned(await GetAsync(".cvmfswhitelist"));
            return (certificate.Fingerprint(), manifest.Verify(certificate) && whitelist.Whitelist.Lists(certificate));

            Task<byte[]> GetAsync(string file) => Client.GetByteArrayAsync(new Uri($"{url}/cvmfs/{Fqrn}/{file}"), ct);
        }

        public async Task<(int Reads, IReadOnlyCollection<string> Signers)> EndAsync()
        {
            await _enough.CancelAsync();
            await Task.WhenAll(_watches);
            Assert.Empty(_refused);
            return (_signers.Values.Sum(), [.. _signers.Keys]);
        }

        public async ValueTask DisposeAsync()
        {
            await _enough.CancelAsync();
            await Task.WhenAll(_watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _enough.Dispose();
        }

        private async Task WatchAsync(string url)
        {
            while (!_enough.IsCancellationRequested)
            {
                try
                {
                    long started = Stopwatch.GetTimestamp();
                    (string signer, bool accepted) = await LookAsync(url, _enough.Token);
                    // A client that took longer than caches may is not promised anything.
                    if (!accepted && Stopwatch.GetElapsedTime(started).TotalSeconds < CachesSeconds)
                        _refused.Enqueue($"{url} shows a manifest of {signer} that its whitelist does not cover");
                    _signers.AddOrUpdate(signer, 1, (_, n) => n + 1);
                    await Task.Delay(20, _enough.Token);
                }
                catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
                {
                    // It is down, or starts.
                    if (!_enough.IsCancellationRequested)
                        await Task.Delay(20);
                }
            }
        }
    }
}
