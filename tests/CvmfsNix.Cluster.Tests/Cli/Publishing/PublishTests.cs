using CvmfsNix.Cluster.Contracts.Publishing;
using Grpc.Core;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Publishing;

public sealed class PublishTests
{
    private const string Repository = "a.example.org";
    private const string Id = "01a20421-0216-7e65-b4ab-c1557ec8ec85";

    [Fact]
    public async Task A_publish_of_what_is_there_asks_once_and_is_unchanged()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = r => Task.FromResult(Present(r));

        CliRun run = await PublishAsync(store, node);

        Assert.Equal(0, run.Exit);
        Assert.Equal(["Begin"], node.Calls);
        Assert.Equal(
            ["repository", "transaction", "status", "contentKept", "revision", "rootHash", "pathsNew", "pathsPresent", "objectsSent", "bytesRead", "bytesSent", "bytesStored", "durationMs", "replicas", "pathsUpstream"],
            run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal("unchanged", run.Json.GetProperty("status").GetString());
        Assert.Equal(5, run.Json.GetProperty("revision").GetInt32());
        Assert.Equal(4, run.Json.GetProperty("pathsPresent").GetInt32());
        Assert.Equal(0, run.Json.GetProperty("objectsSent").GetInt32());
    }

    [Fact]
    public async Task The_whole_closure_goes_along_unless_it_is_told_not_to()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        var counts = new List<int>();
        node.OnBegin = r =>
        {
            counts.Add(r.Paths.Count);
            return Task.FromResult(Present(r));
        };

        await PublishAsync(store, node);
        await PublishAsync(store, node, "--no-closure");

        Assert.Equal([4, 1], counts);
    }

    [Fact]
    public async Task Different_content_is_kept_and_told()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = r =>
        {
            BeginReply reply = Present(r);
            reply.Paths.Presence[0] = PathPresence.Different;
            return Task.FromResult(reply);
        };

        CliRun run = await PublishAsync(store, node);

        Assert.Equal(0, run.Exit);
        string kept = Assert.Single(run.Json.GetProperty("contentKept").EnumerateArray()).GetString()!;
        Assert.Contains(kept, store.Paths);
        Assert.Contains("DifferentContentKept " + kept, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_node_is_told_to_refuse_different_content_where_that_is_asked_for()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = r =>
        {
            Assert.Equal(ConflictPolicy.Refuse, r.Conflict);
            return Task.FromResult(Present(r));
        };

        CliRun run = await PublishAsync(store, node, "--conflict", "refuse");

        Assert.Equal(0, run.Exit);
    }

    [Fact]
    public async Task A_repeated_transaction_prints_its_first_answer()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = _ => Task.FromResult(new BeginReply
        {
            Outcome = new TransactionOutcome { Transaction = Id, State = TransactionState.Committed, Revision = 9, RootHash = "ff", PathsNew = 2, PathsPresent = 2 },
        });

        CliRun run = await PublishAsync(store, node, "--transaction", Id);

        Assert.Equal(0, run.Exit);
        Assert.Equal(["Begin"], node.Calls);
        Assert.Equal(9, run.Json.GetProperty("revision").GetInt32());
        Assert.Equal(Id, run.Json.GetProperty("transaction").GetString());
        Assert.Equal("committed", run.Json.GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_rejection_is_exit_1_with_its_reason()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = _ => Task.FromResult(new BeginReply
        {
            Outcome = new TransactionOutcome { State = TransactionState.Rejected, Reason = new ErrorDetail { Code = "MissingReference", Message = "m", What = "w", Hint = "h" } },
        });

        CliRun run = await PublishAsync(store, node, "--transaction", Id);

        Assert.Equal(1, run.Exit);
        Assert.Equal("MissingReference", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_sealed_transaction_is_sealed_again_until_it_is_decided()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = _ => Task.FromResult(new BeginReply { Outcome = new TransactionOutcome { State = TransactionState.Sealed } });
        int seals = 0;
        node.OnSeal = _ => ++seals == 1
            ? throw FakeNode.Error("OutcomeUnknown", StatusCode.DeadlineExceeded)
            : Task.FromResult(new TransactionOutcome { State = TransactionState.Committed, Revision = 2 });

        CliRun run = await PublishAsync(store, node, "--transaction", Id);

        Assert.Equal(0, run.Exit);
        Assert.Equal(["Begin", "Seal", "Begin", "Seal"], node.Calls);
    }

    [Fact]
    public async Task Another_server_is_asked_under_the_same_transaction_when_one_has_no_leader()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode first = await FakeNode.StartAsync();
        await using FakeNode second = await FakeNode.StartAsync();
        var seen = new List<(string, Google.Protobuf.ByteString)>();
        first.OnBegin = r =>
        {
            seen.Add((r.Transaction, r.RequestDigest));
            throw FakeNode.Error("NoLeader", StatusCode.Unavailable);
        };
        second.OnBegin = r =>
        {
            seen.Add((r.Transaction, r.RequestDigest));
            return Task.FromResult(Present(r));
        };

        CliRun run = await CliRun.RunAsync(
            ["publish", "--repo", Repository, store.Top, .. store.Switches, "--json", "--server", $"{first.Url},{second.Url}"]);

        Assert.Equal(0, run.Exit);
        Assert.Equal(2, seen.Count);
        Assert.Equal(seen[0], seen[1]);
    }

    [Fact]
    public async Task Another_server_is_asked_at_once_when_one_wants_to_be_left_alone_for_long()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode first = await FakeNode.StartAsync();
        await using FakeNode second = await FakeNode.StartAsync();
        var seen = new List<(string, Google.Protobuf.ByteString)>();
        first.OnBegin = r =>
        {
            seen.Add((r.Transaction, r.RequestDigest));
            // Longer than a publish waits in vain.
            throw FakeNode.Error("DiskFull", StatusCode.ResourceExhausted, retryAfterMs: 600_000);
        };
        second.OnBegin = r =>
        {
            seen.Add((r.Transaction, r.RequestDigest));
            return Task.FromResult(Present(r));
        };

        CliRun run = await CliRun.RunAsync(
            ["publish", "--repo", Repository, store.Top, .. store.Switches, "--json", "--server", $"{first.Url},{second.Url}"]);

        Assert.Equal(0, run.Exit);
        Assert.Equal(2, seen.Count);
        Assert.Equal(seen[0], seen[1]);
    }

    [Fact]
    public async Task An_outcome_that_stays_unknown_is_exit_4_and_names_the_transaction()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = _ => throw FakeNode.Error("NoLeader", StatusCode.Unavailable, retryAfterMs: 60_000);

        CliRun run = await PublishAsync(store, node, "--transaction", Id, "--timeout", "5");

        Assert.Equal(4, run.Exit);
        var error = run.Json.GetProperty("error");
        Assert.Equal("NoLeader", error.GetProperty("code").GetString());
        Assert.Equal(60_000, error.GetProperty("retryAfterMs").GetInt32());
        Assert.Contains(Id, error.GetProperty("hint").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_id_of_another_request_is_not_taken_back()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = _ => throw FakeNode.Error("TransactionIdReused", StatusCode.FailedPrecondition);

        CliRun run = await PublishAsync(store, node, "--transaction", Id);

        Assert.Equal(1, run.Exit);
        Assert.Equal(["Begin"], node.Calls);
    }

    [Fact]
    public async Task An_interrupted_publish_takes_its_open_transaction_back()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        using var signal = new CancellationTokenSource();
        node.OnBegin = r =>
        {
            BeginReply reply = Present(r);
            reply.Paths.Unchanged = false;
            reply.Paths.Presence[0] = PathPresence.Missing;
            reply.UploadUrl = "http://127.0.0.1:1/upload";
            return Task.FromResult(reply);
        };
        node.OnFindContent = async call =>
        {
            // The signal comes while the builder asks what is to be sent; this question is never answered.
            signal.Cancel();
            await Task.Delay(Timeout.Infinite, call.CancellationToken);
            return new FindContentReply();
        };

        CliRun run = await CliRun.RunAsync(
            ["publish", "--repo", Repository, store.Top, .. store.Switches, "--server", node.Url], interruption: signal.Token, interruptedCode: 143);

        Assert.Equal(143, run.Exit);
        Assert.Equal(["Begin", "FindContent", "Abort"], node.Calls);
    }

    [Fact]
    public async Task A_dry_run_tells_what_is_missing_and_leaves_nothing_open()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = r =>
        {
            Assert.False(r.Last);
            BeginReply reply = Present(r);
            reply.Paths.Presence[1] = PathPresence.Missing;
            return Task.FromResult(reply);
        };

        CliRun run = await PublishAsync(store, node, "--dry-run");

        Assert.Equal(0, run.Exit);
        Assert.Equal("dry-run", run.Json.GetProperty("status").GetString());
        Assert.Equal(1, run.Json.GetProperty("pathsNew").GetInt32());
        Assert.Equal(["Begin", "Abort"], node.Calls);
    }

    [Fact]
    public async Task A_path_below_a_store_path_and_a_link_to_one_mean_the_store_path()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        var asked = new List<string>();
        node.OnBegin = r =>
        {
            asked.Add(Assert.Single(r.Paths).Path);
            return Task.FromResult(Present(r));
        };
        string result = Path.Combine(store.Folder, "result");
        File.CreateSymbolicLink(result, store.Top);
        string indirect = Path.Combine(store.Folder, "indirect");
        File.CreateSymbolicLink(indirect, "result");

        foreach (string path in (string[])[store.Top, store.Top + "/bin/sample", store.Folder + store.Top, result, indirect, indirect + "/bin"])
        {
            CliRun run = await CliRun.RunAsync(["publish", "--no-closure", "--repo", Repository, path, .. store.Switches, "--server", node.Url]);
            Assert.Equal(0, run.Exit);
        }

        Assert.Equal(6, asked.Count);
        Assert.Equal(Path.GetFileName(store.Top), Assert.Single(asked.Distinct()));
    }

    [Theory]
    [InlineData("/", "NotAStorePath")]
    [InlineData("/nix/store/short", "NotAStorePath")]
    [InlineData("/does/not/exist", "PathNotFound")]
    [InlineData("/nix/store/00000000000000000000000000000000-unregistered", "UnknownPath")]
    public async Task What_is_no_store_path_is_refused_before_any_node_is_asked(string path, string code)
    {
        using SampleStore store = await SampleStore.MakeAsync();

        CliRun run = await CliRun.RunAsync(["publish", "--repo", Repository, path, .. store.Switches, "--server", "http://127.0.0.1:1", "--json"]);

        Assert.Equal(1, run.Exit);
        Assert.Equal(code, run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_closure_of_more_than_a_thousand_paths_is_asked_for_in_thousands()
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-test-").FullName;
        try
        {
            string registration = Path.Combine(folder, "registration");
            await using (var writer = new StreamWriter(registration))
            {
                for (int i = 0; i < 2100; i++)
                    await writer.WriteAsync($"/nix/store/{i:D32}-p\n{new string('0', 64)}\n120\n\n0\n");
            }

            await using FakeNode node = await FakeNode.StartAsync();
            node.OnBegin = r =>
            {
                Assert.Equal(1000, r.Paths.Count);
                Assert.False(r.Last);
                return Task.FromResult(Present(r));
            };
            string[] paths = [.. Enumerable.Range(0, 2100).Select(i => $"/nix/store/{i:D32}-p")];

            CliRun run = await CliRun.RunAsync(
                ["publish", "--repo", Repository, .. paths, "--registration", registration, "--store-root", folder, "--server", node.Url, "--json"]);

            Assert.Equal(0, run.Exit);
            Assert.Equal(["Begin", "FindPaths", "FindPaths"], node.Calls);
            Assert.Equal(2100, run.Json.GetProperty("pathsPresent").GetInt32());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static BeginReply Present(BeginRequest request) => new()
    {
        Paths = new FindPathsReply { Presence = { request.Paths.Select(_ => PathPresence.Present) }, Revision = 5, RootHash = "aa", Unchanged = request.Last },
        StoreDirectory = "/nix/store",
        HashAlgorithm = "sha1",
    };

    private static Task<CliRun> PublishAsync(SampleStore store, FakeNode node, params string[] more) =>
        CliRun.RunAsync(["publish", "--repo", Repository, store.Top, .. store.Switches, "--server", node.Url, "--json", .. more]);
}
