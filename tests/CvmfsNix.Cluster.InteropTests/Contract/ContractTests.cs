using System.Text.Json;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Contract;

/// <summary>
/// What scripts of others rely on: commands.sh runs the commands as they are documented, on the default ports of a network namespace of its own; here
/// exit codes and JSON fields are compared with what is promised. Fields may be added, so only the promised ones are asked for.
/// </summary>
public sealed class ContractTests
{
    private static readonly Dictionary<string, int> ExitCodes = new()
    {
        ["version"] = 0, ["node-version"] = 0, ["help"] = 0, ["ready"] = 0, ["alive"] = 0, ["management-status"] = 0,
        ["node-healthcheck"] = 0, ["node-healthcheck-none"] = 1, ["second-node"] = 2, ["wrong-switch"] = 2, ["wrong-command"] = 2,
        ["repo-create"] = 0, ["repo-create-shake"] = 0, ["repo-create-again"] = 1, ["repo-show"] = 0, ["repo-list"] = 0,
        ["publish"] = 0, ["publish-retry"] = 0, ["publish-again"] = 0, ["publish-reused"] = 1, ["publish-unknown"] = 1, ["publish-shake"] = 0,
        ["publish-unreachable"] = 4, ["status"] = 0, ["status-transaction"] = 0, ["wait"] = 0, ["wait-transaction"] = 0, ["wait-timeout"] = 4,
        ["key-show"] = 0, ["key-show-nix"] = 0, ["key-show-json"] = 0, ["ls"] = 0, ["ls-repo"] = 0, ["ls-tag"] = 0, ["ls-missing"] = 1, ["cat"] = 0,
        ["get"] = 0, ["get-same"] = 0, ["head"] = 0, ["cli-healthcheck"] = 0, ["node"] = 0, ["node-json-removed"] = 0,
    };

    [Fact]
    public async Task Every_command_that_scripts_rely_on_does_what_is_promised()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        ProgramRun allowed = await ProgramRun.RunAsync("unshare", ["--user", "--map-root-user", "--net", "true"], null, cancellationToken);
        Assert.SkipUnless(allowed.ExitCode == 0, "a network namespace of its own is not allowed here");
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-contract-").FullName;
        try
        {
            string[] transactions = [.. Enumerable.Range(0, 3).Select(_ => Guid.CreateVersion7().ToString())];
            await File.WriteAllTextAsync(Path.Combine(folder, "transaction"), transactions[0], cancellationToken);
            await File.WriteAllLinesAsync(Path.Combine(folder, "transactions"), transactions, cancellationToken);
            string script = Path.Combine(RepositoryRoot(), "tests", "CvmfsNix.Cluster.InteropTests", "Contract", "commands.sh");
            var environment = new Dictionary<string, string>
            {
                ["PATH"] = $"{Path.GetDirectoryName(BuiltProgram.Node)}:{Path.GetDirectoryName(BuiltProgram.Cli)}:{Environment.GetEnvironmentVariable("PATH")}",
            };
            (await ProgramRun.RunAsync("unshare", ["--user", "--map-root-user", "--net", "bash", script, folder], environment, cancellationToken)).Succeeded();
            var results = new Results(folder);
            Assert.Multiple([.. ExitCodes.Select(e => (Action)(() => Assert.True(
                results.Code(e.Key) == e.Value, $"{e.Key} ended with {results.Code(e.Key)}, not {e.Value}: {results.Text(e.Key)} {results.Errors(e.Key)}")))]);
            CheckNode(results);
            CheckRepositories(results);
            CheckPublishes(results, transactions);
            CheckReading(results);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void CheckNode(Results results)
    {
        string ready = results.Text("node").Split('\n').Single(l => l.StartsWith("READY ", StringComparison.Ordinal))["READY ".Length..];
        using JsonDocument document = JsonDocument.Parse(ready);
        JsonElement node = document.RootElement;
        HasFields(node, "pid", "address", "http", "grpc", "management");
        Assert.Equal("akka.tcp://cvmfsnix@127.0.0.1:8110", node.GetProperty("address").GetString());
        Assert.Equal("http://127.0.0.1:8000", node.GetProperty("http").GetString());
        Assert.Equal("http://127.0.0.1:9110", node.GetProperty("grpc").GetString());
        Assert.Equal("http://127.0.0.1:8558", node.GetProperty("management").GetString());
        Assert.Equal(ready, File.ReadAllText(Path.Combine(results.Folder, "node.json")).Trim());
        Assert.Equal("200", results.Text("ready"));
        Assert.Equal("200", results.Text("alive"));

        JsonElement status = results.Json("status").Single();
        foreach (JsonElement one in (JsonElement[])[status, results.Json("management-status").Single()])
        {
            HasFields(one, "node", "roles", "leader", "epoch", "members", "repositories", "replicas");
            JsonElement member = one.GetProperty("members").EnumerateArray().Single();
            HasFields(member, "address", "roles", "status", "reachable");
            Assert.Equal(member.GetProperty("address").GetString(), one.GetProperty("leader").GetString());
        }

        HasFields(status.GetProperty("repositories")[0], "repository", "revision", "rootHash", "queued", "inFlight", "openTransactions");
        // All mistakes of a command line are told at once.
        Assert.Contains("--dta", results.Errors("wrong-switch"), StringComparison.Ordinal);
        Assert.Contains("nothing", results.Errors("wrong-switch"), StringComparison.Ordinal);
        Assert.Equal("", results.Text("wrong-switch") + results.Text("wrong-command") + results.Text("second-node"));
    }

    private static void CheckRepositories(Results results)
    {
        string[] fields = ["repository", "revision", "rootHash", "publishedAt", "paths", "objects", "storedBytes", "whitelistExpiresAt", "publicKeyFile", "publicKey", "nixPublicKey"];
        foreach (string name in (string[])["repo-create", "repo-create-shake", "repo-show"])
            HasFields(results.Json(name).Single(), fields);
        JsonElement list = results.Json("repo-list").Single();
        Assert.Equal(2, list.GetArrayLength());
        HasFields(list[0], fields);
        Assert.EndsWith("-shake128", results.Json("repo-create-shake").Single().GetProperty("rootHash").GetString(), StringComparison.Ordinal);
        Assert.EndsWith("Z", results.Json("repo-show").Single().GetProperty("publishedAt").GetString(), StringComparison.Ordinal);
        Error(results, "repo-create-again", "RepositoryExists");

        HasFields(results.Json("key-show-json").Single(), "repository", "publicKey", "nixPublicKey", "whitelistExpiresAt");
        Assert.StartsWith("-----BEGIN PUBLIC KEY-----", results.Text("key-show"), StringComparison.Ordinal);
        Assert.Matches("^[^:\n]+:[A-Za-z0-9+/]+=*\n$", results.Text("key-show-nix"));
    }

    private static void CheckPublishes(Results results, string[] transactions)
    {
        string[] fields =
        [
            "repository", "transaction", "status", "contentKept", "revision", "rootHash", "pathsNew", "pathsPresent", "objectsSent", "bytesRead", "bytesSent", "bytesStored",
            "durationMs", "replicas",
        ];
        JsonElement first = results.Json("publish").Single();
        HasFields(first, fields);
        Assert.Equal(("committed", transactions[0]), (first.GetProperty("status").GetString(), first.GetProperty("transaction").GetString()));
        JsonElement retry = results.Json("publish-retry").Single();
        foreach (string same in (string[])["status", "transaction", "revision", "rootHash", "pathsNew"])
            Assert.Equal(first.GetProperty(same).ToString(), retry.GetProperty(same).ToString());
        JsonElement again = results.Json("publish-again").Single();
        Assert.Equal(("unchanged", 0, first.GetProperty("revision").GetInt64()), (again.GetProperty("status").GetString(), again.GetProperty("objectsSent").GetInt32(), again.GetProperty("revision").GetInt64()));
        Error(results, "publish-reused", "TransactionIdReused");
        Error(results, "publish-unknown", "UnknownRepository");
        results.Json("publish-unreachable").Single().GetProperty("error");

        foreach (string name in (string[])["publish-batch", "publish-batch-stdin"])
        {
            IReadOnlyList<JsonElement> lines = results.Json(name);
            Assert.Equal(2, lines.Count);
            HasFields(lines.Single(l => l.GetProperty("transaction").GetString() == transactions[1]), fields);
            JsonElement refused = lines.Single(l => l.GetProperty("transaction").GetString() == transactions[2]);
            Assert.Equal("UnknownRepository", refused.GetProperty("error").GetProperty("code").GetString());
        }

        JsonElement status = results.Json("status-transaction").Single();
        HasFields(status, "transaction", "status", "revision", "reason");
        Assert.Equal("committed", status.GetProperty("status").GetString());
        HasFields(results.Json("wait").Single(), "repository", "revision", "replicas");
        HasFields(results.Json("wait-transaction").Single(), "repository", "revision", "replicas");
    }

    private static void CheckReading(Results results)
    {
        IReadOnlyList<JsonElement> rows = results.Json("ls");
        Assert.Equal("/", rows[0].GetProperty("path").GetString());
        Assert.All(rows, r => HasFields(r, "path", "type", "mode", "uid", "gid", "mtime", "nlink"));
        Assert.All(rows.Where(r => r.GetProperty("type").GetString() == "f"), r => Assert.Equal(64, r.GetProperty("sha256").GetString()!.Length));
        Assert.All(rows.Where(r => r.GetProperty("type").GetString() == "l"), r => Assert.NotEqual("", r.GetProperty("target").GetString()));
        Assert.Contains(rows, r => r.GetProperty("path").GetString()!.EndsWith("/var/nix/profiles/app", StringComparison.Ordinal));
        Assert.Equal(File.ReadAllBytes(Path.Combine(results.Folder, "cat.expected")), File.ReadAllBytes(Path.Combine(results.Folder, "cat.out")));
        Assert.StartsWith("HTTP/1.1 200", results.Text("head"), StringComparison.Ordinal);
        results.Json("ls-missing").Single().GetProperty("error");
    }

    private static void Error(Results results, string name, string code)
    {
        JsonElement error = results.Json(name).Single().GetProperty("error");
        HasFields(error, "code", "message", "what", "hint");
        Assert.Equal(code, error.GetProperty("code").GetString());
    }

    private static void HasFields(JsonElement element, params string[] names) =>
        Assert.All(names, name => Assert.True(element.TryGetProperty(name, out _), $"{name} is not in {element}"));

    private static string RepositoryRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "CvmfsNix.Cluster.sln")))
            directory = directory.Parent;
        return directory?.FullName ?? throw new DirectoryNotFoundException("The tests do not run from a checkout.");
    }

    private sealed record Results(string Folder)
    {
        public string Text(string name) => Read(name + ".out");

        public string Errors(string name) => Read(name + ".err");

        public int Code(string name) => File.Exists(Path.Combine(Folder, name + ".code"))
            ? int.Parse(File.ReadAllText(Path.Combine(Folder, name + ".code")))
            : throw new FileNotFoundException($"commands.sh did not run {name}.");

        // A few steps leave their exit code only.
        private string Read(string file) => File.Exists(Path.Combine(Folder, file)) ? File.ReadAllText(Path.Combine(Folder, file)) : "";

        public IReadOnlyList<JsonElement> Json(string name) =>
            [.. Text(name).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<JsonElement>(l))];
    }
}
