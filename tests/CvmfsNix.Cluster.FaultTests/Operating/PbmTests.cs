using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.Contracts.Admin;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Google.Protobuf;
using Grpc.Net.Client;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>
/// The operators' shell as built, on real nodes: one embedded node in continuous integration, three nodes on one database at full size, and a mirror. What
/// it prints is compared with <c>/status</c>, <c>/metrics</c>, the journal and what is served. The node tells which commands there are: one that is not tried here makes the tests red.
/// </summary>
public sealed partial class PbmTests(OperatedNodes nodes, ITestOutputHelper output) : IClassFixture<OperatedNodes>
{
    private const string Repository = "ops.example.org";

    private static readonly string Pbm = Path.Combine(Path.GetDirectoryName(BuiltProgram.Cli)!, "pbm");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private readonly HashSet<string> _tried = new(StringComparer.Ordinal);

    [Fact]
    public async Task Every_command_answers_what_other_sources_say()
    {
        (string transaction, string app) = await PrepareAsync();
        JsonElement status = await nodes.StatusAsync(Ct);
        string[] members = [.. status.GetProperty("members").EnumerateArray().Select(m => m.GetProperty("address").GetString()!)];
        await MembersAsync(status, members);
        JsonElement repository = await HistoryAsync(status, transaction, app);
        await TransactionsAsync(transaction);
        await ReplicasAsync();
        await StoresKeysAndLogsAsync(members, repository);
        await CollectionAsync(repository);
        await GoingBackAsync(repository);
        string secret = await TokensAsync();
        await AuditAsync(secret);
        await CompareMetricsAsync();
        await ComingAndGoingAsync(status.GetProperty("leader").GetString()!);
        Assert.Empty((await ServedAsync()).Except(_tried));
    }

    // cluster, cluster-sharding, actor, system, leader
    private async Task MembersAsync(JsonElement status, string[] members)
    {
        Assert.Equal([.. members.Select(m => $"{m} | [core,stratum0] | up |  | 0.1.0"), $"Count: {members.Length} nodes"], await LinesAsync(0, "cluster", "show"));
        Assert.Equal([$"{nodes.Address} | [core,stratum0] | up |  | 0.1.0"], await LinesAsync(0, "cluster", "status"));
        Assert.Equal((await ManagementAsync("/cluster/members")).GetProperty("leader").GetString(), Assert.Single(await LinesAsync(0, "cluster", "leader")));
        Assert.Contains(nodes.Address, await EndlessAsync($"MemberUp {nodes.Address}", "cluster", "tail"), StringComparison.Ordinal);
        Assert.Equal([$"{nodes.Address} was not told to leave"], await LinesAsync(0, "cluster", "join"));
        Assert.Equal(["Count: 0 nodes"], await LinesAsync(0, "cluster", "down-unreachable", "--yes"));
        string[] kinds = [.. (await ManagementAsync("/cluster/shards")).GetProperty("entityTypeKeys").EnumerateArray().Select(k => k.GetString()!).Order(StringComparer.Ordinal)];
        Assert.Equal(kinds, await LinesAsync(0, "cluster-sharding", "list-regions"));
        Assert.Equal(64 * Repositories(status).Count(), (await JsonAsync(0, "cluster-sharding", "region-stats", "-t", "ledgers")).Sum(r => r.GetProperty("entities").GetInt32()));
        JsonElement[] regions = [.. (await ManagementAsync("/cluster/shards/ledgers")).GetProperty("regions").EnumerateArray()];
        Assert.Equal(
            regions.Sum(r => r.GetProperty("numEntities").GetInt32()),
            (await JsonAsync(0, "cluster-sharding", "region-stats", "-t", "ledgers")).Single(r => r.GetProperty("node").GetString() == nodes.Address).GetProperty("entities").GetInt32());
        IReadOnlyList<string> actors = await LinesAsync(0, "actor", "hierarchy", "-s", "/user", "-d", "1");
        Assert.Contains("/user/stores", actors);
        Assert.Equal(actors.Order(StringComparer.Ordinal), actors);
        JsonElement uptime = (await JsonAsync(0, "system", "uptime")).Single();
        Assert.Equal(nodes.Address, uptime.GetProperty("address").GetString());
        Assert.True(File.Exists($"/proc/{uptime.GetProperty("pid").GetInt32()}/stat"));
        JsonElement leader = (await JsonAsync(0, "leader", "show")).Single();
        Assert.Equal(status.GetProperty("leader").GetString(), leader.GetProperty("leader").GetString());
        Assert.Equal(status.GetProperty("epoch").GetUInt64(), leader.GetProperty("epoch").GetUInt64());
    }

    // repo, revision, path
    private async Task<JsonElement> HistoryAsync(JsonElement status, string transaction, string app)
    {
        JsonElement known = Repositories(status).Single(r => r.GetProperty("repository").GetString() == Repository);
        JsonElement repository = (await JsonAsync(0, "repo", "show", "-r", Repository)).Single();
        Assert.Equal(known.GetProperty("rootHash").GetString(), repository.GetProperty("rootHash").GetString());
        Assert.Equal(known.GetProperty("rootHash").GetString(), await ServedAsync('C'));
        Assert.Contains(Repository, (await JsonAsync(0, "repo", "list")).Select(r => r.GetProperty("repository").GetString()));
        ulong revision = known.GetProperty("revision").GetUInt64();
        JsonElement[] revisions = [.. await JsonAsync(0, "revision", "list", "-r", Repository)];
        Assert.Equal([revision, 1ul], revisions.Select(r => r.GetProperty("revision").GetUInt64()));
        Assert.Equal(known.GetProperty("rootHash").GetString(), revisions[0].GetProperty("rootHash").GetString());
        Assert.Equal(revisions[0].GetRawText(), (await JsonAsync(0, "revision", "show", "-r", Repository, "-n", Text(revision))).Single().GetRawText());
        JsonElement[] came = [.. await JsonAsync(0, "revision", "diff", "-r", Repository, "--from", "1")];
        Assert.Equal(repository.GetProperty("paths").GetInt32(), came.Length);
        ProgramRun same = await CliAsync("revision", "diff", Repository, "1", Text(revision), "--json");
        Assert.Equal(came.Select(c => c.GetRawText()), same.JsonLines.Select(c => c.GetRawText()));

        JsonElement why = (await JsonAsync(0, "path", "why", "-r", Repository, "-p", app)).Single();
        Assert.Equal(revision, why.GetProperty("revision").GetUInt64());
        Assert.Equal(transaction, why.GetProperty("transactions").EnumerateArray().Single().GetProperty("transaction").GetString());
        string path = why.GetProperty("path").GetString()!;
        Assert.Contains(path, came.Select(c => c.GetProperty("path").GetString()));
        JsonElement shown = (await JsonAsync(0, "path", "show", "-r", Repository, "-p", app)).Single();
        string cached = await TextAsync($"{nodes.Data}/nix/{Repository}/{path[..32]}.narinfo");
        Assert.Contains($"NarHash: {shown.GetProperty("narHash").GetString()}\n", cached, StringComparison.Ordinal);
        Assert.Contains($"NarSize: {shown.GetProperty("narSize").GetInt64()}\n", cached, StringComparison.Ordinal);
        string needed = shown.GetProperty("references").EnumerateArray().Select(r => r.GetString()!).First(r => r != path);
        Assert.Contains(path, (await JsonAsync(0, "path", "why", Repository, needed)).Single().GetProperty("referrers").EnumerateArray().Select(r => r.GetString()));
        return repository;
    }

    private async Task TransactionsAsync(string transaction)
    {
        Assert.Equal(transaction, Assert.Single(await JsonAsync(0, "txn", "list", "-r", Repository)).GetProperty("transaction").GetString());
        JsonElement shown = (await JsonAsync(0, "txn", "show", "-r", Repository, "-t", transaction)).Single();
        JsonElement asked = (await CliAsync("status", "--repo", Repository, "--transaction", transaction, "--json")).Json;
        Assert.Equal(("committed", asked.GetProperty("revision").GetUInt64()), (shown.GetProperty("status").GetString(), shown.GetProperty("revision").GetUInt64()));
        Assert.Equal(["Count: 0 waiting, 0 in the running commit"], await LinesAsync(0, "txn", "queue", Repository));

        string open = await BeginAsync();
        Assert.Equal(1, Repositories(await nodes.StatusAsync(Ct)).Single(r => r.GetProperty("repository").GetString() == Repository).GetProperty("openTransactions").GetInt32());
        Assert.Equal([$"{open} is given up"], await LinesAsync(0, "txn", "abort", "-r", Repository, "-t", open, "--yes"));
        Assert.Equal("aborted", (await CliAsync("status", "--repo", Repository, "--transaction", open, "--json")).Json.GetProperty("status").GetString());
        Assert.Contains("UnknownTransaction", (await RunAsync(1, ["txn", "show", "-r", Repository, "-t", Guid.CreateVersion7().ToString(), "--json"])).Output, StringComparison.Ordinal);
    }

    private async Task ReplicasAsync()
    {
        await CliAsync("wait", "--repo", Repository, "--revision", "2", "--for", "all");
        JsonElement listed = (await JsonAsync(0, "replica", "list", "-r", Repository)).Single();
        Assert.Equal((OperatedNodes.Mirror, "geneva", 2UL), (listed.GetProperty("replica").GetString(), listed.GetProperty("site").GetString(), listed.GetProperty("revision").GetUInt64()));
        Assert.Equal(listed.GetProperty("rootHash").GetString(), (await JsonAsync(0, "replica", "show", OperatedNodes.Mirror, Repository)).Single().GetProperty("rootHash").GetString());
        await JsonAsync(0, "replica", "pause", OperatedNodes.Mirror, Repository);
        await Deadline.UntilAsync(async () => await StateAsync() == "paused", "the replica is paused", Ct);
        await JsonAsync(0, "replica", "resume", OperatedNodes.Mirror, Repository);
        await Deadline.UntilAsync(async () => await StateAsync() == "following", "the replica follows again", Ct);
        await JsonAsync(0, "replica", "scrub", OperatedNodes.Mirror, Repository);
        await Deadline.UntilAsync(async () => (await LinesAsync(0, "replica", "show", OperatedNodes.Mirror, Repository)).Any(l => l.StartsWith("scrub  ", StringComparison.Ordinal) && l.Contains("ended", StringComparison.Ordinal) && l.Contains(" 0 damaged", StringComparison.Ordinal)), "the replica has looked through what it has", Ct);
        Assert.Contains("UnknownReplica", (await RunAsync(1, ["replica", "remove", "nobody", "--yes", "--json"])).Output, StringComparison.Ordinal);

        async Task<string?> StateAsync() =>
            (await nodes.StatusAsync(Ct)).GetProperty("replicas").EnumerateArray().Single(r => r.GetProperty("repository").GetString() == Repository).GetProperty("state").GetString();
    }

    // store, key, log
    private async Task StoresKeysAndLogsAsync(string[] members, JsonElement repository)
    {
        Assert.Equal(members.Length, (await JsonAsync(0, "store", "stat")).Count(s => s.TryGetProperty("store", out _)));
        JsonElement[] scrubbed = [.. await JsonAsync(0, "store", "scrub", "-r", Repository)];
        Assert.Equal(0, scrubbed[^1].GetProperty("damaged").GetInt32());
        Assert.True(scrubbed[^1].GetProperty("items").GetInt64() >= repository.GetProperty("objects").GetInt64());
        Assert.Equal(repository.GetProperty("whitelistExpiresAt").GetString(), (await JsonAsync(0, "key", "show", "-r", Repository)).Single().GetProperty("whitelistExpiresAt").GetString());
        string until = (await JsonAsync(0, "key", "whitelist", "renew", "-r", Repository)).Single().GetProperty("whitelistExpiresAt").GetString()!;
        string expiry = "E" + until.Replace("-", "", StringComparison.Ordinal).Replace("T", "", StringComparison.Ordinal).Replace(":", "", StringComparison.Ordinal).TrimEnd('Z');
        await Deadline.UntilAsync(async () => (await TextAsync($"{nodes.Data}/cvmfs/{Repository}/.cvmfswhitelist")).Contains(expiry + "\n", StringComparison.Ordinal), "the new whitelist is served", Ct);
        Assert.Contains("key create", (await RunAsync(1, ["key", "rotate", "-r", Repository, "--yes"])).Errors, StringComparison.Ordinal);
        Assert.Equal("information", (await LinesAsync(0, "log", "level")).Single());
        Assert.Contains(await LinesAsync(0, "log", "peek"), l => l.Contains("key whitelist-renew", StringComparison.Ordinal));
        Assert.Contains("whitelist-renew", await EndlessAsync("key whitelist-renew", "log", "tail", "-n", "50"), StringComparison.Ordinal);
    }

    // Nothing is kept by rules yet, so all of it stays.
    private async Task CollectionAsync(JsonElement repository)
    {
        Assert.Equal([$"Count: 0 paths would go, {repository.GetProperty("paths").GetInt32()} stay"], (await LinesAsync(0, "gc", "dry-run", "-r", Repository, "-n", "1")).TakeLast(1));
        Assert.True((await JsonAsync(0, "gc", "pause", "-r", Repository)).Single().GetProperty("paused").GetBoolean());
        Assert.True((await JsonAsync(0, "gc", "status", "-r", Repository)).Single().GetProperty("paused").GetBoolean());
        Assert.Contains("paused", (await RunAsync(1, ["gc", "start", "-r", Repository])).Errors, StringComparison.Ordinal);
        Assert.Equal([$"{Repository}: resumed"], await LinesAsync(0, "gc", "resume", "-r", Repository));
        Assert.Equal([$"{Repository}: the removal is started; gc status tells how it goes"], await LinesAsync(0, "gc", "start", "-r", Repository));
        Assert.False((await JsonAsync(0, "gc", "status", "-r", Repository)).Single().GetProperty("paused").GetBoolean());
    }

    private async Task GoingBackAsync(JsonElement repository)
    {
        int paths = repository.GetProperty("paths").GetInt32();
        JsonElement back = (await CliAsync("repo", "rollback", Repository, "--to", "1", "--yes", "--json")).Json;
        Assert.Equal((3UL, paths), (back.GetProperty("revision").GetUInt64(), back.GetProperty("pathsRemoved").GetInt32()));
        Assert.Equal("3", await ServedAsync('S'));
        Assert.Equal(back.GetProperty("rootHash").GetString(), await ServedAsync('C'));
        JsonElement forth = (await JsonAsync(0, "repo", "rollback", "-r", Repository, "--to", "trunk-previous", "--yes")).Single();
        Assert.Equal((4UL, paths), (forth.GetProperty("revision").GetUInt64(), forth.GetProperty("pathsReturned").GetInt32()));
        Assert.Equal(paths, (await JsonAsync(0, "repo", "show", "-r", Repository)).Single().GetProperty("paths").GetInt32());
        Assert.Empty(await JsonAsync(0, "revision", "diff", "-r", Repository, "--from", "2", "--to", "4"));
        await CliAsync("wait", "--repo", Repository, "--revision", "4", "--for", "all");
        ProgramRun refused = await ProgramRun.RunAsync(BuiltProgram.Cli, ["repo", "rollback", Repository, "--to", "1", "--server", "http://" + nodes.Host], null, Ct);
        Assert.True(refused.ExitCode == 2 && refused.Errors.Contains("has to be confirmed", StringComparison.Ordinal), refused.Errors);
        Assert.Contains("UnknownTag", (await RunAsync(1, ["repo", "rollback", Repository, "v9", "--yes", "--json"])).Output, StringComparison.Ordinal);
    }

    // By the shell and by the command line.
    private async Task<string> TokensAsync()
    {
        JsonElement made = (await JsonAsync(0, "token", "create", "-n", "ci", "-s", $"publish:{Repository},read", "-e", "1d")).Single();
        string id = made.GetProperty("id").GetString()!;
        Assert.StartsWith($"cvn_{id}_", made.GetProperty("token").GetString(), StringComparison.Ordinal);
        JsonElement listed = (await CliAsync("token", "list", "--json")).Json.EnumerateArray().Single(t => t.GetProperty("id").GetString() == id);
        Assert.Equal(("good", false), (listed.GetProperty("state").GetString(), listed.TryGetProperty("token", out _)));
        Assert.Equal($"{id}: revoked; other nodes know within seconds\n", (await CliAsync("token", "revoke", id)).Output);
        string other = (await JsonAsync(0, "token", "create", "-n", "cd", "-s", "read")).Single().GetProperty("id").GetString()!;
        await RunAsync(0, ["token", "revoke", other]);
        Assert.Equal(2, (await LinesAsync(0, "token", "list")).Count(l => (l.Contains(id, StringComparison.Ordinal) || l.Contains(other, StringComparison.Ordinal)) && l.Contains("| revoked", StringComparison.Ordinal)));
        return made.GetProperty("token").GetString()!;
    }

    private async Task AuditAsync(string secret)
    {
        JsonElement[] audit = [.. await JsonAsync(0, "audit", "list", "-n", "1000")];
        Assert.All(audit, a => Assert.DoesNotContain(secret, a.GetRawText(), StringComparison.Ordinal));
        Assert.All(audit, a => Assert.StartsWith("anybody ", a.GetProperty("who").GetString(), StringComparison.Ordinal));
        string[] mine = [.. audit.Where(a => !a.GetRawText().Contains(TerminalRepository, StringComparison.Ordinal)).Select(a => $"{a.GetProperty("command").GetString()} {a.GetProperty("outcome").GetString()}")];
        // In the order in which they were said, whatever else was said in between.
        int at = 0;
        foreach (string expected in (string[])["repo create done", "txn abort done", "replica pause done", "replica resume done", "replica scrub done", "replica remove UnknownReplica", "store scrub done",
            "key whitelist-renew done", "key rotate KeysMissing", "gc pause done", "gc start InvalidRequest", "gc resume done", "gc start done", "repo rollback done", "repo rollback UnknownTag", "token create done", "token revoke done"])
        {
            at = Array.IndexOf(mine, expected, at) + 1;
            Assert.True(at > 0, $"{expected} is not in its place: {string.Join(", ", mine)}");
        }

        // What the command line changes over its own calls is there, too.
        await CliAsync("tag", "set", "v1", "--repo", Repository);
        JsonElement tagged = (await JsonAsync(0, "audit", "list", "-n", "1")).Single();
        Assert.Equal(("tag set", "v1"), (tagged.GetProperty("command").GetString(), tagged.GetProperty("arguments").GetProperty("name").GetString()));
        Assert.Contains("tag set", await EndlessAsync("tag set", "audit", "tail"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_command_is_answered_helpfully_and_changes_nothing()
    {
        string host = nodes.Host;
        await RefusedAsync(2, "did you mean cluster?", host, "clutser", "show");
        await RefusedAsync(2, "did you mean show?", host, "cluster", "shwo");
        await RefusedAsync(2, "needs a command", host, "cluster");
        await RefusedAsync(2, "-r REPO is missing", host, "txn", "list");
        await RefusedAsync(2, "-x is no switch of this command", host, "repo", "list", "-x");
        await RefusedAsync(2, "has to be confirmed", host, "cluster", "leave");
        await RefusedAsync(1, "There is no repository none.example.org", host, "repo", "show", "none.example.org");
        await RefusedAsync(2, "has to be confirmed", host, "repo", "rollback", "none.example.org", "1");
        await RefusedAsync(1, "There is no repository none.example.org", host, "repo", "rollback", "none.example.org", "1", "--yes");
        await RefusedAsync(1, "No member of the cluster has the address", host, "cluster", "down", "127.0.0.1:1", "--yes");
        await RefusedAsync(4, "No node answers", "127.0.0.1:1", "cluster", "show");
        await RefusedAsync(2, "no number of seconds", host, "cluster", "show", "--timeout", "soon");
        ProgramRun json = await ProgramRun.RunAsync(Pbm, [host, "cluster", "shwo", "--json"], null, Ct);
        Assert.Equal("UnknownCommand", JsonDocument.Parse(json.Output).RootElement.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("cluster-sharding", (await ProgramRun.RunAsync(Pbm, [host, "help"], null, Ct)).Succeeded().Output, StringComparison.Ordinal);
        Assert.StartsWith("Usage: pbm [HOST:PORT]", (await ProgramRun.RunAsync(BuiltProgram.Cli, ["pbm", "--help"], null, Ct)).Succeeded().Output, StringComparison.Ordinal);
    }

    // leave and join, down, transfer: last, for the node that is asked is away for a moment.
    private async Task ComingAndGoingAsync(string leader)
    {
        using var client = new HttpClient();
        await LinesAsync(0, "cluster", "leave", "--yes");
        await Deadline.UntilAsync(async () => await StatusCodeAsync("/ready") == System.Net.HttpStatusCode.ServiceUnavailable && await StatusCodeAsync("/alive") == System.Net.HttpStatusCode.OK, "the node is out and alive", Ct);
        // What it has is served meanwhile, and its operator still has a shell.
        Assert.Equal(4UL, ulong.Parse(await ServedAsync('S'), CultureInfo.InvariantCulture));
        await Deadline.UntilAsync(async () => (await RunAsync(0, ["system", "uptime"])).Output.Contains("An operator told it to leave", StringComparison.Ordinal), "the node says why", Ct);
        Assert.Equal([$"{nodes.Address} joins"], await LinesAsync(0, "cluster", "join"));
        await BackAsync();

        // A process that lives comes back by itself.
        string victim = nodes.Others.Count > 0 ? nodes.Others[^1] : nodes.Address;
        string? uid = await UidAsync(victim);
        Assert.NotNull(uid);
        Assert.Equal([$"{victim} is put out"], await LinesAsync(0, "cluster", "down", "-a", victim, "--yes"));
        await Deadline.UntilAsync(async () => await UidAsync(victim) is { } now && now != uid, "the node is a member anew", Ct);
        await BackAsync();

        if (nodes.Count == 1)
        {
            await RefusedAsync(1, "There is no other member that could lead", nodes.Host, "leader", "transfer", "--yes");
            _tried.Add("leader transfer");
        }
        else
        {
            await Deadline.UntilAsync(async () => (await nodes.StatusAsync(Ct)).TryGetProperty("leader", out JsonElement l) && l.ValueKind == JsonValueKind.String, "somebody leads", Ct);
            string before = (await nodes.StatusAsync(Ct)).GetProperty("leader").GetString()!;
            Assert.NotEqual(before, (await JsonAsync(0, "leader", "transfer", "--yes")).Single().GetProperty("leader").GetString());
            await BackAsync();
        }

        output.WriteLine($"{leader} led at first");
        Assert.Equal(["cluster leave", "cluster join", "cluster down"], (await JsonAsync(0, "audit", "list", "-n", "1000")).Select(a => a.GetProperty("command").GetString()!).Where(c => c is "cluster leave" or "cluster join" or "cluster down").TakeLast(3));
        // Nothing is kept for it any more, and nobody waits for it; one that comes back registers anew.
        Assert.Equal(0, await nodes.MirrorNode.StopAsync(Ct));
        Assert.Equal([OperatedNodes.Mirror], (await JsonAsync(0, "replica", "remove", OperatedNodes.Mirror, Repository, "--yes")).Select(r => r.GetProperty("replica").GetString()));
        Assert.Equal(["Count: 0 replicas"], await LinesAsync(0, "replica", "list", Repository));
        nodes.MirrorNode.Launch();
        await Deadline.UntilAsync(async () => (await LinesAsync(0, "replica", "list", Repository))[^1] == "Count: 1 replicas", "the mirror is back", Ct);

        async Task BackAsync() => await Deadline.UntilAsync(
            async () => await StatusCodeAsync("/ready") == System.Net.HttpStatusCode.OK && (await LinesAsync(0, "cluster", "show")).Count(l => l.Contains("| up |  |", StringComparison.Ordinal)) == nodes.Count, "all nodes are members again", Ct);

        // A member that was put out and comes again has another one.
        async Task<string?> UidAsync(string address)
        {
            using HttpResponseMessage answer = await client.GetAsync(new Uri(nodes.Management + "/cluster/members"), Ct);
            return answer.IsSuccessStatusCode
                ? JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Ct)).RootElement.GetProperty("members").EnumerateArray().SingleOrDefault(m => m.GetProperty("node").GetString() == address) is { ValueKind: JsonValueKind.Object } member
                    ? member.GetProperty("nodeUid").ToString()
                    : null
                : null;
        }

        async Task<System.Net.HttpStatusCode> StatusCodeAsync(string path) => (await client.GetAsync(new Uri(nodes.Management + path), Ct)).StatusCode;
    }

    private async Task<(string Transaction, string App)> PrepareAsync()
    {
        _tried.Add("repo create");
        return await PublishAsync(Repository);
    }

    private async Task<(string Transaction, string App)> PublishAsync(string repository)
    {
        Assert.Equal($"{repository} is there, revision 1", (await LinesAsync(0, "repo", "create", "-r", repository)).Single());
        string closure = Directory.CreateTempSubdirectory("cvmfsnix-ops-").FullName;
        try
        {
            string app = (await ProgramRun.RunAsync(BuiltProgram.Cli, ["dev", "make-closure", closure], null, Ct)).Succeeded().Output.Trim();
            string transaction = Guid.CreateVersion7().ToString();
            await CliAsync("publish", "--repo", repository, app, "--store-root", closure, "--registration", Path.Combine(closure, "registration"), "--transaction", transaction);
            return (transaction, app);
        }
        finally
        {
            Directory.Delete(closure, recursive: true);
        }
    }

    private async Task CompareMetricsAsync()
    {
        JsonElement status = await nodes.StatusAsync(Ct);
        JsonElement repository = (await JsonAsync(0, "repo", "show", "-r", Repository)).Single();
        using var client = new HttpClient();
        string of = $"{{repository=\"{Repository}\"}}", text = "";
        IReadOnlyDictionary<string, double> metrics = new Dictionary<string, double>();
        // Gauges are up to a second old.
        await Deadline.UntilAsync(
            async () =>
            {
                metrics = PrometheusSamples.Parse(text = await client.GetStringAsync(new Uri(nodes.Management + "/metrics"), Ct));
                return repository.GetProperty("revision").GetDouble() <= metrics["cvmfsnix_repository_revision" + of];
            },
            "the metrics know the newest revision",
            Ct);
        Assert.Equal(repository.GetProperty("revision").GetDouble(), metrics["cvmfsnix_repository_revision" + of]);
        Assert.Equal(repository.GetProperty("paths").GetDouble(), metrics["cvmfsnix_repository_paths" + of]);
        Assert.Equal(repository.GetProperty("storedBytes").GetDouble(), metrics["cvmfsnix_store_bytes" + of]);
        Assert.Equal(status.GetProperty("members").GetArrayLength(), metrics["cvmfsnix_members"]);
        Assert.Equal(status.GetProperty("epoch").GetDouble(), metrics["cvmfsnix_leader_epoch"]);
        Assert.Equal(0, metrics["cvmfsnix_copies_missing"]);
        Assert.Equal(1, metrics[$"cvmfsnix_publish_duration_seconds_count{{outcome=\"committed\",repository=\"{Repository}\"}}"]);
        if (File.Exists("/usr/bin/promtool"))
        {
            string file = Path.Combine(Path.GetTempPath(), $"cvmfsnix-{Guid.NewGuid():N}.prom");
            await File.WriteAllTextAsync(file, text, Ct);
            ProgramRun check = await ProgramRun.RunAsync("bash", ["-c", $"promtool check metrics < {file}"], null, Ct);
            File.Delete(file);
            output.WriteLine($"promtool: {check.ExitCode} {check.Output}{check.Errors}");
            Assert.Equal(0, check.ExitCode);
        }

        // The cluster over HTTP says the same.
        using JsonDocument members = JsonDocument.Parse(await client.GetStringAsync(new Uri(nodes.Management + "/cluster/members"), Ct));
        Assert.Equal(nodes.Address, members.RootElement.GetProperty("selfNode").GetString());
        Assert.Equal(status.GetProperty("members").GetArrayLength(), members.RootElement.GetProperty("members").GetArrayLength());
        using JsonDocument seeds = JsonDocument.Parse(await client.GetStringAsync(new Uri(nodes.Management + "/bootstrap/seed-nodes"), Ct));
        Assert.Equal("cvmfsnix", seeds.RootElement.GetProperty("SelfNode").GetProperty("System").GetString());
        Assert.All(seeds.RootElement.GetProperty("Nodes").EnumerateArray(), n => Assert.Equal(1, n.GetProperty("Status").GetInt32()));
        Assert.Equal(System.Net.HttpStatusCode.MethodNotAllowed, (await client.DeleteAsync(new Uri(nodes.Management + "/cluster/members/" + nodes.Address), Ct)).StatusCode);
        Assert.Contains("<title>cvmfsnix</title>", await client.GetStringAsync(new Uri(nodes.Management + "/"), Ct), StringComparison.Ordinal);
    }

    private static async Task RefusedAsync(int code, string expected, string host, params string[] words)
    {
        ProgramRun run = await ProgramRun.RunAsync(Pbm, [host, .. words], null, Ct);
        Assert.True(run.ExitCode == code && run.Errors.Contains(expected, StringComparison.Ordinal), $"{run.Command}: {run.ExitCode} {run.Errors}");
        Assert.Empty(run.Output);
    }

    private static string Text(ulong number) => number.ToString(CultureInfo.InvariantCulture);

    private static JsonElement.ArrayEnumerator Repositories(JsonElement status) => status.GetProperty("repositories").EnumerateArray();

    // Every command there is, as "palette command".
    private async Task<IReadOnlyCollection<string>> ServedAsync()
    {
        using GrpcChannel channel = GrpcChannel.ForAddress("http://" + nodes.Host);
        ListPalettesReply reply = await new Admin.AdminClient(channel).ListPalettesAsync(new ListPalettesRequest(), cancellationToken: Ct);
        return [.. reply.Palettes.SelectMany(p => p.Commands.Select(c => $"{p.Name} {c.Name}"))];
    }

    // A field of the manifest that clients get.
    private async Task<string> ServedAsync(char field) =>
        (await TextAsync($"{nodes.Data}/cvmfs/{Repository}/.cvmfspublished")).Split('\n').First(l => l.StartsWith(field))[1..];

    private static async Task<string> TextAsync(string url)
    {
        using var client = new HttpClient();
        return System.Text.Encoding.Latin1.GetString(await client.GetByteArrayAsync(new Uri(url), Ct));
    }

    private async Task<JsonElement> ManagementAsync(string path)
    {
        using JsonDocument document = JsonDocument.Parse(await TextAsync(nodes.Management + path));
        return document.RootElement.Clone();
    }

    // A transaction that stays open, as of a builder that is still at work.
    private async Task<string> BeginAsync()
    {
        using GrpcChannel channel = GrpcChannel.ForAddress("http://" + nodes.Host);
        string id = Guid.CreateVersion7().ToString();
        await new Contracts.Publishing.Publishing.PublishingClient(channel).BeginAsync(
            new BeginRequest
            {
                Repository = Repository,
                Transaction = id,
                RequestDigest = ByteString.CopyFrom(new byte[32]),
                Builder = "somebody",
                Last = true,
                Paths = { new PathQuery { Path = "0000000000000000000000000000000a-not-yet", NarHash = ByteString.CopyFrom(new byte[32]) } },
            },
            cancellationToken: Ct);
        return id;
    }

    private async Task<IReadOnlyList<string>> LinesAsync(int code, params string[] words) =>
        (await RunAsync(code, words)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private async Task<IReadOnlyList<JsonElement>> JsonAsync(int code, params string[] words) =>
        [.. (await RunAsync(code, [.. words, "--json"])).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];

    private async Task<ProgramRun> RunAsync(int code, string[] words)
    {
        _tried.Add($"{words[0]} {words[1]}");
        if (words is [_, _, var third, ..])
            _tried.Add($"{words[0]} {words[1]}-{third}");
        ProgramRun run = await ProgramRun.RunAsync(Pbm, [nodes.Host, .. words], null, Ct);
        Assert.True(run.ExitCode == code, $"{run.Command} ended with {run.ExitCode}: {run.Output}{run.Errors}");
        return run;
    }

    private async Task<ProgramRun> CliAsync(params string[] words) => (await ProgramRun.RunAsync(BuiltProgram.Cli, [.. words, "--server", "http://" + nodes.Host], null, Ct)).Succeeded();

    // A command that goes on: it is ended from the keyboard once it has said what is waited for.
    private async Task<string> EndlessAsync(string until, params string[] words)
    {
        _tried.Add($"{words[0]} {words[1]}");
        // A shell has what it runs in the background ignore the keyboard, and all that these start do so as well.
        var start = new ProcessStartInfo("env") { RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (string word in (string[])["--default-signal=INT", Pbm, nodes.Host, .. words])
            start.ArgumentList.Add(word);
        using Process process = Process.Start(start)!;
        try
        {
            process.StandardInput.Close();
            while (true)
            {
                string line = await process.StandardOutput.ReadLineAsync(Ct).AsTask().WaitAsync(Deadline.Publish, Ct) ?? throw new InvalidOperationException($"{string.Join(' ', words)} ended by itself.");
                if (!line.Contains(until, StringComparison.Ordinal))
                    continue;
                (await ProgramRun.RunAsync("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)], null, Ct)).Succeeded();
                await process.WaitForExitAsync(Ct).WaitAsync(Deadline.Publish, Ct);
                Assert.Equal(130, process.ExitCode);
                return line;
            }
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }
}
