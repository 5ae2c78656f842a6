using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>
/// The operators' shell as built, on real nodes: one embedded node in continuous integration, three nodes on one database at full size. What
/// it prints is compared with <c>/status</c>, <c>/metrics</c> and the journal.
/// </summary>
public sealed class PbmTests(ITestOutputHelper output)
{
    private const string Repository = "ops.example.org";

    private static readonly string Pbm = Path.Combine(Path.GetDirectoryName(BuiltProgram.Cli)!, "pbm");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_command_answers_what_other_sources_say()
    {
        await using OperatedNodes nodes = await OperatedNodes.StartAsync(Ct);
        (string transaction, string app) = await PrepareAsync(nodes);

        // cluster, cluster-sharding, actor, system
        JsonElement status = await nodes.StatusAsync(Ct);
        string[] members = [.. status.GetProperty("members").EnumerateArray().Select(m => m.GetProperty("address").GetString()!)];
        IReadOnlyList<string> shown = await LinesAsync(nodes, 0, "cluster", "show");
        Assert.Equal([.. members.Select(m => $"{m} | [core,stratum0] | up |  | 0.1.0"), $"Count: {members.Length} nodes"], shown);
        Assert.Equal([$"{nodes.Address} | [core,stratum0] | up |  | 0.1.0"], await LinesAsync(nodes, 0, "cluster", "status"));
        Assert.Contains(Assert.Single(await LinesAsync(nodes, 0, "cluster", "leader")), members);
        Assert.Equal(["ledgers", "replica-directories", "replicas"], await LinesAsync(nodes, 0, "cluster-sharding", "list-regions"));
        Assert.Equal(64, (await JsonAsync(nodes, 0, "cluster-sharding", "region-stats", "-t", "ledgers")).Sum(r => r.GetProperty("entities").GetInt32()));
        IReadOnlyList<string> actors = await LinesAsync(nodes, 0, "actor", "hierarchy", "-s", "/user", "-d", "1");
        Assert.Contains("/user/stores", actors);
        Assert.Equal(actors.Order(StringComparer.Ordinal), actors);
        Assert.Equal(nodes.Address, (await JsonAsync(nodes, 0, "system", "uptime")).Single().GetProperty("address").GetString());

        // leader
        JsonElement leader = (await JsonAsync(nodes, 0, "leader", "show")).Single();
        Assert.Equal(status.GetProperty("leader").GetString(), leader.GetProperty("leader").GetString());
        Assert.Equal(status.GetProperty("epoch").GetUInt64(), leader.GetProperty("epoch").GetUInt64());

        // repo, revision, txn, path
        JsonElement known = status.GetProperty("repositories").EnumerateArray().Single();
        JsonElement repository = (await JsonAsync(nodes, 0, "repo", "show", "-r", Repository)).Single();
        Assert.Equal(known.GetProperty("rootHash").GetString(), repository.GetProperty("rootHash").GetString());
        Assert.Equal([Repository], (await JsonAsync(nodes, 0, "repo", "list")).Select(r => r.GetProperty("repository").GetString()));
        ulong revision = known.GetProperty("revision").GetUInt64();
        JsonElement[] revisions = [.. await JsonAsync(nodes, 0, "revision", "list", "-r", Repository)];
        Assert.Equal([revision, 1ul], revisions.Select(r => r.GetProperty("revision").GetUInt64()));
        Assert.Equal(known.GetProperty("rootHash").GetString(), revisions[0].GetProperty("rootHash").GetString());
        Assert.Equal(revisions[0].GetRawText(), (await JsonAsync(nodes, 0, "revision", "show", "-r", Repository, "-n", revision.ToString(CultureInfo.InvariantCulture))).Single().GetRawText());
        JsonElement[] came = [.. await JsonAsync(nodes, 0, "revision", "diff", "-r", Repository, "--from", "1")];
        Assert.Equal(repository.GetProperty("paths").GetInt32(), came.Length);
        Assert.Equal(transaction, Assert.Single(await JsonAsync(nodes, 0, "txn", "list", "-r", Repository)).GetProperty("transaction").GetString());
        Assert.Equal("committed", (await JsonAsync(nodes, 0, "txn", "show", "-r", Repository, "-t", transaction)).Single().GetProperty("status").GetString());
        Assert.Equal(["Count: 0 waiting, 0 in the running commit"], await LinesAsync(nodes, 0, "txn", "queue", Repository));
        JsonElement why = (await JsonAsync(nodes, 0, "path", "why", "-r", Repository, "-p", app)).Single();
        Assert.Equal(revision, why.GetProperty("revision").GetUInt64());
        Assert.Equal(transaction, why.GetProperty("transactions").EnumerateArray().Single().GetProperty("transaction").GetString());
        Assert.Contains(came.Select(c => c.GetProperty("path").GetString()), p => p == why.GetProperty("path").GetString());
        string needed = (await JsonAsync(nodes, 0, "path", "show", "-r", Repository, "-p", app)).Single().GetProperty("references").EnumerateArray().Select(r => r.GetString()!).First(r => r != why.GetProperty("path").GetString());
        Assert.Contains(
            why.GetProperty("path").GetString(),
            (await JsonAsync(nodes, 0, "path", "why", Repository, needed)).Single().GetProperty("referrers").EnumerateArray().Select(r => r.GetString()));

        // replica, store, key, log, audit
        Assert.Equal(["Count: 0 replicas"], await LinesAsync(nodes, 0, "replica", "list"));
        Assert.Equal(members.Length, (await JsonAsync(nodes, 0, "store", "stat")).Count(s => s.TryGetProperty("store", out _)));
        JsonElement[] scrubbed = [.. await JsonAsync(nodes, 0, "store", "scrub", "-r", Repository)];
        Assert.Equal(0, scrubbed[^1].GetProperty("damaged").GetInt32());
        Assert.Equal(repository.GetProperty("whitelistExpiresAt").GetString(), (await JsonAsync(nodes, 0, "key", "show", "-r", Repository)).Single().GetProperty("whitelistExpiresAt").GetString());
        Assert.Equal(Repository, (await JsonAsync(nodes, 0, "key", "whitelist", "renew", "-r", Repository)).Single().GetProperty("repository").GetString());
        Assert.Equal("information", (await LinesAsync(nodes, 0, "log", "level")).Single());
        Assert.Contains(await LinesAsync(nodes, 0, "log", "peek"), l => l.Contains("key whitelist-renew", StringComparison.Ordinal));

        // token, by the shell and by the command line
        JsonElement made = (await JsonAsync(nodes, 0, "token", "create", "-n", "ci", "-s", $"publish:{Repository},read", "-e", "1d")).Single();
        string id = made.GetProperty("id").GetString()!;
        Assert.StartsWith($"cvn_{id}_", made.GetProperty("token").GetString(), StringComparison.Ordinal);
        JsonElement listed = JsonDocument.Parse((await ProgramRun.RunAsync(BuiltProgram.Cli, ["token", "list", "--json", "--server", "http://" + nodes.Host], null, Ct)).Succeeded().Output).RootElement.EnumerateArray().Single();
        Assert.Equal((id, "good", false), (listed.GetProperty("id").GetString(), listed.GetProperty("state").GetString(), listed.TryGetProperty("token", out _)));
        Assert.Equal($"{id}: revoked; other nodes know within seconds\n", (await ProgramRun.RunAsync(BuiltProgram.Cli, ["token", "revoke", id, "--server", "http://" + nodes.Host], null, Ct)).Succeeded().Output);
        Assert.Contains("| revoked", Assert.Single(await LinesAsync(nodes, 0, "token", "list")), StringComparison.Ordinal);
        JsonElement[] audit = [.. await JsonAsync(nodes, 0, "audit", "list")];
        Assert.All(audit, a => Assert.DoesNotContain(made.GetProperty("token").GetString()!, a.GetRawText(), StringComparison.Ordinal));
        Assert.Equal(
            ["repo create done", "store scrub done", "key whitelist-renew done", "log level done", "token create done", "token revoke done"],
            audit.Select(a => $"{a.GetProperty("command").GetString()} {a.GetProperty("outcome").GetString()}"));
        Assert.All(audit, a => Assert.StartsWith("anybody ", a.GetProperty("who").GetString(), StringComparison.Ordinal));

        await CompareMetricsAsync(nodes, status, repository);
        if (members.Length > 1)
            await TransferAsync(nodes, leader.GetProperty("leader").GetString()!);
    }

    [Fact]
    public async Task A_wrong_command_is_answered_helpfully_and_changes_nothing()
    {
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Ct);
        string host = new Uri(node.Grpc).Authority;
        await RefusedAsync(2, "did you mean cluster?", host, "clutser", "show");
        await RefusedAsync(2, "did you mean show?", host, "cluster", "shwo");
        await RefusedAsync(2, "needs a command", host, "cluster");
        await RefusedAsync(2, "-r REPO is missing", host, "txn", "list");
        await RefusedAsync(2, "-x is no switch of this command", host, "repo", "list", "-x");
        await RefusedAsync(2, "has to be confirmed", host, "cluster", "leave");
        await RefusedAsync(1, "There is no repository none.example.org", host, "repo", "show", "none.example.org");
        await RefusedAsync(1, "There is no other member that could lead", host, "leader", "transfer", "--yes");
        await RefusedAsync(1, "No member of the cluster has the address", host, "cluster", "down", "127.0.0.1:1", "--yes");
        await RefusedAsync(4, "No node answers", "127.0.0.1:1", "cluster", "show");
        await RefusedAsync(2, "no number of seconds", host, "cluster", "show", "--timeout", "soon");
        ProgramRun json = await ProgramRun.RunAsync(Pbm, [host, "cluster", "shwo", "--json"], null, Ct);
        Assert.Equal("UnknownCommand", JsonDocument.Parse(json.Output).RootElement.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("cluster-sharding", (await ProgramRun.RunAsync(Pbm, [host, "help"], null, Ct)).Succeeded().Output, StringComparison.Ordinal);
        Assert.StartsWith("Usage: pbm [HOST:PORT]", (await ProgramRun.RunAsync(BuiltProgram.Cli, ["pbm", "--help"], null, Ct)).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shell_at_a_terminal_completes_watches_asks_and_remembers()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/script"), "script is not installed (apt-get install bsdutils)");
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Ct);
        (await node.CliAsync(["repo", "create", Repository], null, Ct)).Succeeded();
        string host = new Uri(node.Grpc).Authority;
        string prompt = $"[{host}] pbm> ";
        await using PbmSession shell = PbmSession.Start(Pbm, host);
        await shell.UntilAsync(prompt, Ct);

        await shell.TypeAsync("clu\t");
        await shell.UntilAsync("cluster", Ct);
        await shell.TypeAsync(" sh\t");
        await shell.UntilAsync("show ", Ct);
        await shell.TypeAsync("\r");
        Assert.Contains("| [core,stratum0] | up |", await shell.UntilAsync("Count: 1 nodes", Ct), StringComparison.Ordinal);

        // A live value: the one repository there is.
        await shell.UntilAsync(prompt, Ct);
        await shell.TypeAsync("repo show -r \t");
        await shell.UntilAsync($"-r {Repository} ", Ct);
        await shell.TypeAsync("\r");
        await shell.UntilAsync("root hash ", Ct);
        await shell.UntilAsync(prompt, Ct);

        // What goes on ends with Ctrl-C, and the shell goes on.
        await shell.TypeAsync("cluster tail\r");
        await shell.UntilAsync("MemberUp", Ct);
        await shell.TypeAsync("\x03");
        await shell.UntilAsync(prompt, Ct);

        // What cannot be taken back is asked for.
        await shell.TypeAsync("cluster leave\r");
        await shell.UntilAsync("Type yes to go on: ", Ct);
        await shell.TypeAsync("no\r");
        await shell.UntilAsync("nothing was done", Ct);
        await shell.UntilAsync(prompt, Ct);

        // The line before the last one, by the cursor keys.
        await shell.TypeAsync("\x1b[A\x1b[A\x1b[A\r");
        await shell.UntilAsync("root hash ", Ct);
        await shell.UntilAsync(prompt, Ct);
        await shell.TypeAsync("exit\r");
        Assert.Equal(0, await shell.ExitAsync(Ct));
    }

    [Fact]
    public async Task A_node_that_was_told_to_leave_stays_out_until_it_is_told_to_join()
    {
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Ct);
        (await node.CliAsync(["repo", "create", Repository], null, Ct)).Succeeded();
        string host = new Uri(node.Grpc).Authority;
        (await ProgramRun.RunAsync(Pbm, [host, "cluster", "leave", "--yes"], null, Ct)).Succeeded();
        using var client = new HttpClient();
        await Deadline.UntilAsync(async () => (await client.GetAsync(new Uri(node.Management + "/ready"), Ct)).StatusCode == System.Net.HttpStatusCode.ServiceUnavailable
            && (await client.GetStringAsync(new Uri(node.Management + "/alive"), Ct)).StartsWith("alive", StringComparison.Ordinal), "the node is out and alive", Ct);
        // What it has is served meanwhile, and its operator still has a shell.
        Assert.True((await client.GetAsync(new Uri(node.RepositoryUrl(Repository) + "/.cvmfspublished"), Ct)).IsSuccessStatusCode);
        await Deadline.UntilAsync(async () => (await ProgramRun.RunAsync(Pbm, [host, "system", "uptime"], null, Ct)).Output.Contains("An operator told it to leave", StringComparison.Ordinal), "the node says why", Ct);
        (await ProgramRun.RunAsync(Pbm, [host, "cluster", "join"], null, Ct)).Succeeded();
        await Deadline.UntilAsync(async () => (await client.GetAsync(new Uri(node.Management + "/ready"), Ct)).IsSuccessStatusCode, "the node is back", Ct);
        Assert.Equal(["cluster join", "cluster leave"], (await ProgramRun.RunAsync(Pbm, [host, "audit", "list", "--json"], null, Ct)).JsonLines.Select(a => a.GetProperty("command").GetString()).Order());
    }

    private static async Task<(string Transaction, string App)> PrepareAsync(OperatedNodes nodes)
    {
        Assert.Equal($"{Repository} is there, revision 1", (await LinesAsync(nodes, 0, "repo", "create", "-r", Repository)).Single());
        string closure = Directory.CreateTempSubdirectory("cvmfsnix-ops-").FullName;
        try
        {
            string app = (await ProgramRun.RunAsync(BuiltProgram.Cli, ["dev", "make-closure", closure], null, Ct)).Succeeded().Output.Trim();
            string transaction = Guid.CreateVersion7().ToString();
            (await ProgramRun.RunAsync(
                BuiltProgram.Cli,
                ["publish", "--repo", Repository, app, "--store-root", closure, "--registration", Path.Combine(closure, "registration"), "--transaction", transaction, "--server", "http://" + nodes.Host],
                null,
                Ct)).Succeeded();
            return (transaction, app);
        }
        finally
        {
            Directory.Delete(closure, recursive: true);
        }
    }

    private async Task CompareMetricsAsync(OperatedNodes nodes, JsonElement status, JsonElement repository)
    {
        using var client = new HttpClient();
        string text = await client.GetStringAsync(new Uri(nodes.Management + "/metrics"), Ct);
        var metrics = PrometheusSamples.Parse(text);
        string of = $"{{repository=\"{Repository}\"}}";
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

    private static async Task TransferAsync(OperatedNodes nodes, string before)
    {
        JsonElement after = (await JsonAsync(nodes, 0, "leader", "transfer", "--yes")).Single();
        Assert.NotEqual(before, after.GetProperty("leader").GetString());
        await Deadline.UntilAsync(async () => (await LinesAsync(nodes, 0, "cluster", "show")).Count(l => l.Contains("| up |  |", StringComparison.Ordinal)) == nodes.Count, "all nodes are members again", Ct);
    }

    private static async Task RefusedAsync(int code, string expected, string host, params string[] words)
    {
        ProgramRun run = await ProgramRun.RunAsync(Pbm, [host, .. words], null, Ct);
        Assert.True(run.ExitCode == code && run.Errors.Contains(expected, StringComparison.Ordinal), $"{run.Command}: {run.ExitCode} {run.Errors}");
        Assert.Empty(run.Output);
    }

    private static async Task<IReadOnlyList<string>> LinesAsync(OperatedNodes nodes, int code, params string[] words) =>
        (await RunAsync(nodes, code, words)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static async Task<IReadOnlyList<JsonElement>> JsonAsync(OperatedNodes nodes, int code, params string[] words) =>
        [.. (await RunAsync(nodes, code, [.. words, "--json"])).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];

    private static async Task<ProgramRun> RunAsync(OperatedNodes nodes, int code, string[] words)
    {
        ProgramRun run = await ProgramRun.RunAsync(Pbm, [nodes.Host, .. words], null, Ct);
        Assert.True(run.ExitCode == code, $"{run.Command} ended with {run.ExitCode}: {run.Output}{run.Errors}");
        return run;
    }
}
