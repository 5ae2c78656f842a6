using CvmfsNix.Cluster.Contracts.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.CommandLine;

public sealed class CommandLineTests
{
    private const string Id = "01a20421-0216-7e65-b4ab-c1557ec8ec85";

    // Nobody listens on port 1: a command that got past its checks ends with 4, not with 2.
    private static readonly string[] Nowhere = ["--server", "http://127.0.0.1:1"];

    [Theory]
    [InlineData("publish")]
    [InlineData("publish --repo a.example.org")]
    [InlineData("publish --repo a.example.org /nix/store/x --wait sometimes")]
    [InlineData("publish --repo a.example.org /nix/store/x --wait replicas=0")]
    [InlineData("publish --repo a.example.org /nix/store/x --conflict maybe")]
    [InlineData("publish --repo a.example.org /nix/store/x --transaction 1")]
    [InlineData("publish --repo a.example.org /nix/store/x --transaction b6c8f4a0-8f0e-4d3c-9a55-0d6d2a6a3f10")]
    [InlineData("publish --repo a.example.org /nix/store/x /nix/store/y --profile p")]
    [InlineData("publish --repo a.example.org /nix/store/x --profile ../p")]
    [InlineData("publish --repo a.example.org /nix/store/x --parallel 3")]
    [InlineData("publish --batch - --repo a.example.org")]
    [InlineData("publish --batch - --parallel 0")]
    [InlineData("publish --batch - --parallel many")]
    [InlineData("repo create")]
    [InlineData("repo create .hidden")]
    [InlineData("repo create a.example.org --hash md5")]
    [InlineData("repo create a.example.org --store-directory relative")]
    [InlineData("repo list --server nowhere")]
    [InlineData("repo list --timeout 0")]
    [InlineData("repo list --timeout soon")]
    [InlineData("repo list --token-file does-not-exist")]
    [InlineData("status --repo a.example.org")]
    [InlineData("wait --repo a.example.org")]
    [InlineData("wait --repo a.example.org --revision 1 --transaction " + Id)]
    [InlineData("ls / --url http://127.0.0.1:1/cvmfs/a.example.org")]
    [InlineData("ls /")]
    [InlineData("cat / --url u --pubkey k --repo a.example.org")]
    [InlineData("unknown")]
    [InlineData("repo")]
    public async Task A_wrong_command_line_ends_with_2_and_writes_no_result(string line)
    {
        CliRun run = await CliRun.RunAsync(line.Split(' '));

        Assert.Equal(2, run.Exit);
        Assert.Empty(run.Output);
        Assert.NotEmpty(run.Error);
    }

    [Theory]
    [InlineData("repo create a.example.org --hash shake128")]
    [InlineData("repo show a.example.org")]
    [InlineData("repo list")]
    [InlineData("status")]
    [InlineData("status --repo a.example.org --transaction " + Id)]
    [InlineData("key show a.example.org --nix")]
    [InlineData("healthcheck")]
    [InlineData("ls -lR --digest / --repo a.example.org --tag trunk")]
    public async Task A_right_command_line_without_a_node_ends_with_4(string line)
    {
        CliRun run = await CliRun.RunAsync([.. line.Split(' '), .. Nowhere]);

        Assert.Equal(4, run.Exit);
        Assert.Empty(run.Output);
        Assert.Contains("Unreachable", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_mistakes_are_named_at_once_as_one_json_error()
    {
        CliRun run = await CliRun.RunAsync("publish", "--repo", "a b", "--parallel", "x", "--wait", "later", "--timeout", "-1", "--json");

        Assert.Equal(2, run.Exit);
        var error = run.Json.GetProperty("error");
        Assert.Equal("CommandLine", error.GetProperty("code").GetString());
        string message = error.GetProperty("message").GetString()!;
        Assert.All(["a b", "--parallel", "later", "--timeout", "PATH"], part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.Equal(["code", "message", "what", "hint"], error.EnumerateObject().Select(p => p.Name));
    }

    [Theory]
    [InlineData("--version")]
    [InlineData("publish --version")]
    [InlineData("--help")]
    [InlineData("publish --help")]
    [InlineData("repo create --help")]
    public async Task Version_and_help_need_neither_a_node_nor_the_rest_of_the_command_line(string line)
    {
        CliRun run = await CliRun.RunAsync(line.Split(' '));

        Assert.Equal(0, run.Exit);
        Assert.NotEmpty(run.Output);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task A_wrong_server_in_the_environment_is_a_wrong_configuration()
    {
        CliRun run = await CliRun.RunAsync(["repo", "list"], environment: new Dictionary<string, string> { ["CVMFSNIX_SERVER"] = "ftp://x" });

        Assert.Equal(2, run.Exit);
        Assert.Contains("CVMFSNIX_SERVER", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_comes_from_the_file_before_the_environment()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "from-file\n", TestContext.Current.CancellationToken);
            var environment = new Dictionary<string, string> { ["CVMFSNIX_TOKEN"] = "from-environment", ["CVMFSNIX_SERVER"] = node.Url };
            Assert.Equal(0, (await CliRun.RunAsync(["healthcheck"], environment: environment)).Exit);
            Assert.Equal(0, (await CliRun.RunAsync(["healthcheck", "--token-file", file], environment: environment)).Exit);
            environment["CVMFSNIX_TOKEN"] = file;
            Assert.Equal(0, (await CliRun.RunAsync(["healthcheck"], environment: environment)).Exit);
            Assert.Equal(["Bearer from-environment", "Bearer from-file", "Bearer from-file"], node.Authorizations);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData(Grpc.Core.StatusCode.NotFound, "UnknownRepository", 1)]
    [InlineData(Grpc.Core.StatusCode.AlreadyExists, "RepositoryExists", 1)]
    [InlineData(Grpc.Core.StatusCode.Unauthenticated, "Unauthorized", 3)]
    [InlineData(Grpc.Core.StatusCode.PermissionDenied, "Forbidden", 3)]
    [InlineData(Grpc.Core.StatusCode.Internal, "Internal", 4)]
    [InlineData(Grpc.Core.StatusCode.Unimplemented, "Unsupported", 1)]
    public async Task The_nodes_own_words_and_the_exit_code_of_the_contract_are_passed_on(Grpc.Core.StatusCode status, string code, int exit)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnGetRepository = _ => throw FakeNode.Error(code, status);

        CliRun run = await CliRun.RunAsync("repo", "show", "a.example.org", "--server", node.Url, "--json");

        Assert.Equal(exit, run.Exit);
        var error = run.Json.GetProperty("error");
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.Equal($"what of {code}", error.GetProperty("what").GetString());
        Assert.Equal($"hint of {code}", error.GetProperty("hint").GetString());
        Assert.Single(node.Calls);
    }

    [Fact]
    public async Task A_question_goes_to_the_next_server_when_one_does_not_answer()
    {
        await using FakeNode node = await FakeNode.StartAsync();

        CliRun run = await CliRun.RunAsync("status", "--json", "--server", $"http://127.0.0.1:1,{node.Url}");

        Assert.Equal(0, run.Exit);
        Assert.Equal(
            ["node", "roles", "leader", "epoch", "members", "repositories", "replicas"], run.Json.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task A_node_without_a_leader_is_not_healthy()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnStatus = () => new NodeStatus { Node = "n" };

        Assert.Equal(1, (await CliRun.RunAsync("healthcheck", "--server", node.Url)).Exit);
    }

    [Fact]
    public async Task A_repository_is_shown_with_the_fields_of_the_contract()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnGetRepository = r => new RepositoryInfo
        {
            Repository = r.Repository, Revision = 7, RootHash = "ab", PublishedAt = 1_700_000_000, Paths = 3, Objects = 4, StoredBytes = 5,
            WhitelistExpiresAt = 1_700_000_060, PublicKeyFile = "/k", PublicKey = "PEM\n", NixPublicKey = "n:k",
        };

        CliRun run = await CliRun.RunAsync("repo", "show", "a.example.org", "--server", node.Url, "--json");

        Assert.Equal(0, run.Exit);
        Assert.Equal(
            ["repository", "revision", "rootHash", "publishedAt", "paths", "objects", "storedBytes", "whitelistExpiresAt", "publicKeyFile", "publicKey", "nixPublicKey"],
            run.Json.EnumerateObject().Select(p => p.Name).Take(11));
        Assert.Equal("2023-11-14T22:13:20Z", run.Json.GetProperty("publishedAt").GetString());
        Assert.Equal(7, run.Json.GetProperty("revision").GetInt32());
    }

    [Theory]
    [InlineData(TransactionState.Committed, "committed")]
    [InlineData(TransactionState.Rejected, "rejected")]
    [InlineData(TransactionState.Sealed, "sealed")]
    public async Task The_state_of_a_transaction_is_told_by_its_name(TransactionState state, string name)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnGetTransaction = () => new TransactionOutcome
        {
            Transaction = Id, State = state, Revision = 3, Reason = new ErrorDetail { Code = "MissingReference", Message = "m" },
        };

        CliRun run = await CliRun.RunAsync("status", "--repo", "a.example.org", "--transaction", Id, "--server", node.Url, "--json");

        Assert.Equal(0, run.Exit);
        Assert.Equal(name, run.Json.GetProperty("status").GetString());
        Assert.Equal(state == TransactionState.Committed, run.Json.GetProperty("revision").ValueKind == System.Text.Json.JsonValueKind.Number);
        Assert.Equal(state == TransactionState.Rejected, run.Json.GetProperty("reason").ValueKind == System.Text.Json.JsonValueKind.Object);
    }
}
