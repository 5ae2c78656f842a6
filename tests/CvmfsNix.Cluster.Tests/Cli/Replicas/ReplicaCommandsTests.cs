using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Contracts.Publishing;
using Grpc.Core;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Replicas;

public sealed class ReplicaCommandsTests
{
    [Fact]
    public async Task Replicas_are_listed_in_the_shape_scripts_rely_on()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var asked = new List<ListReplicasRequest>();
        node.OnListReplicas = request =>
        {
            asked.Add(request);
            return new ListReplicasReply { Replicas = { Replica() } };
        };
        CliRun run = await CliRun.RunAsync("replica", "list", "--json", "--server", node.Url);
        Assert.Equal(ExitCode.Done, run.Exit);
        var one = run.Json[0];
        Assert.Equal(
            """{"repository":"a.example.org","replica":"m-1","site":"geneva","state":"catching-up","revision":4,"lagRevisions":2,"lagBytes":300,"lagSeconds":1.5,"lastSeenAt":"2026-01-31T12:00:00Z","lagEvents":5,"missingObjects":6,"rootHash":"ab","registeredAt":"2026-01-31T12:00:00Z","problem":"disk full","scrub":{"running":false,"objects":1,"bytes":2,"damaged":3,"repaired":4,"startedAt":"2026-01-31T12:00:00Z","finishedAt":null,"problem":null},"lastTrouble":{"text":"a line was cut","at":"2026-01-31T12:00:00Z"}}""",
            one.GetRawText());

        Assert.Equal(ExitCode.Done, (await CliRun.RunAsync("replica", "show", "m-1", "--repo", "a.example.org", "--server", node.Url)).Exit);
        Assert.Equal([("", ""), ("m-1", "a.example.org")], asked.Select(a => (a.Replica, a.Repository)));
    }

    [Theory]
    [InlineData("pause", ReplicaAction.ReplicaPause)]
    [InlineData("resume", ReplicaAction.ReplicaResume)]
    [InlineData("remove", ReplicaAction.ReplicaRemove)]
    [InlineData("scrub", ReplicaAction.ReplicaScrub)]
    public async Task A_replica_is_changed_as_the_command_says(string command, ReplicaAction action)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        Assert.Equal(ExitCode.No, (await CliRun.RunAsync("replica", command, "m-1", "--server", node.Url)).Exit);
        ChangeReplicaRequest? asked = null;
        node.OnChangeReplica = request =>
        {
            asked = request;
            return new ListReplicasReply { Replicas = { Replica() } };
        };
        CliRun run = await CliRun.RunAsync(["replica", command, "m-1", "--json", "--server", node.Url, .. command == "scrub" ? ["--bytes-per-second", "9"] : Array.Empty<string>()]);
        Assert.Equal(ExitCode.Done, run.Exit);
        Assert.Equal("m-1", run.Json[0].GetProperty("replica").GetString());
        Assert.Equal((action, "m-1", command == "scrub" ? 9 : 0), (asked!.Action, asked.Replica, asked.BytesPerSecond));
    }

    [Theory]
    [InlineData("replica", "show", "a/b")]
    [InlineData("replica", "scrub", "a", "--bytes-per-second", "0")]
    [InlineData("wait", "--repo", "a.example.org", "--revision", "1", "--for", "site:a b")]
    public async Task A_malformed_command_is_not_tried(params string[] arguments) => Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync(arguments)).Exit);

    [Fact]
    public async Task A_wait_that_times_out_says_who_is_behind_with_exit_code_4()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnWait = request => request.ForReplicas == "all" ? throw FakeNode.Error("Timeout", StatusCode.DeadlineExceeded) : new WaitReply { Repository = request.Repository, Revision = 4, Replicas = { Replica() } };
        CliRun late = await CliRun.RunAsync("wait", "--repo", "a.example.org", "--revision", "4", "--for", "all", "--timeout", "0.2", "--json", "--server", node.Url);
        Assert.Equal(ExitCode.Unknown, late.Exit);
        Assert.Equal(("TimedOut", "message of Timeout"), (late.Json.GetProperty("error").GetProperty("code").GetString(), late.Json.GetProperty("error").GetProperty("message").GetString()));

        CliRun there = await CliRun.RunAsync("wait", "--repo", "a.example.org", "--revision", "4", "--for", "replicas=1", "--json", "--server", node.Url);
        Assert.Equal("""{"repository":"a.example.org","revision":4,"replicas":[{"replica":"m-1","site":"geneva","revision":4}]}""", there.Json.GetRawText());
    }

    private static ReplicaState Replica() => new()
    {
        Repository = "a.example.org",
        Replica = "m-1",
        Site = "geneva",
        State = "catching-up",
        Revision = 4,
        LagRevisions = 2,
        LagBytes = 300,
        LagSeconds = 1.5,
        LastSeenAt = 1769860800000,
        LagEvents = 5,
        MissingObjects = 6,
        RootHash = "ab",
        RegisteredAt = 1769860800000,
        Problem = "disk full",
        Trouble = "a line was cut",
        TroubleAt = 1769860800000,
        Scrub = new ReplicaScrub { Objects = 1, Bytes = 2, Damaged = 3, Repaired = 4, StartedAt = 1769860800000 },
    };
}
