using CvmfsNix.Cluster.Contracts.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Publishing;

public sealed class PublishBatchTests
{
    private const string Id = "01a20421-0216-7e65-b4ab-c1557ec8ec85";

    [Fact]
    public async Task Every_line_is_answered_by_one_line_and_the_worst_exit_code_wins()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        node.OnBegin = r => r.Repository == "a.example.org"
            ? Task.FromResult(new BeginReply { Outcome = new TransactionOutcome { State = TransactionState.Committed, Revision = 1 } })
            : throw FakeNode.Error("UnknownRepository", Grpc.Core.StatusCode.NotFound);
        string path = store.Top;
        string lines = $$"""
            {"transaction":"{{Id}}","repository":"a.example.org","paths":["{{path}}"],"closure":true}

            {"repository":"b.example.org","paths":["{{path}}"],"closure":false}
            {"repository":"a.example.org","paths":["{{path}}"],"closur":false}
            nonsense
            {"transaction":"17","repository":"a.example.org","paths":["{{path}}"]}
            {"repository":"a.example.org","paths":[]}
            """;

        CliRun run = await CliRun.RunAsync(["publish", "--batch", "-", "--parallel", "3", .. store.Switches, "--server", node.Url], lines);

        Assert.Equal(1, run.Exit);
        Assert.Equal(6, run.JsonLines.Count);
        Assert.Single(run.JsonLines, l => l.TryGetProperty("status", out var s) && s.GetString() == "committed" && l.GetProperty("transaction").GetString() == Id);
        Assert.Equal(
            ["InvalidBatchLine", "InvalidBatchLine", "InvalidBatchLine", "InvalidBatchLine", "UnknownRepository"],
            run.JsonLines.Where(l => l.TryGetProperty("error", out _)).Select(l => l.GetProperty("error").GetProperty("code").GetString()).Order());
        Assert.Single(run.JsonLines, l => l.TryGetProperty("error", out var e) && e.GetProperty("code").GetString() == "UnknownRepository" && l.TryGetProperty("transaction", out _));
    }

    [Fact]
    public async Task N_publishes_run_at_once()
    {
        using SampleStore store = await SampleStore.MakeAsync();
        await using FakeNode node = await FakeNode.StartAsync();
        using var all = new CountdownEvent(5);
        var together = new TaskCompletionSource();
        node.OnBegin = async _ =>
        {
            if (all.Signal())
                together.SetResult();
            await together.Task;
            return new BeginReply { Outcome = new TransactionOutcome { State = TransactionState.Committed, Revision = 1 } };
        };
        string line = $$"""{"repository":"a.example.org","paths":["{{store.Top}}"]}""";

        CliRun run = await CliRun.RunAsync(
            ["publish", "--batch", "-", "--parallel", "5", .. store.Switches, "--server", node.Url], string.Join('\n', Enumerable.Repeat(line, 5)));

        Assert.Equal(0, run.Exit);
        Assert.Equal(5, run.JsonLines.Select(l => l.GetProperty("transaction").GetString()).Distinct().Count());
    }

    [Fact]
    public async Task An_empty_batch_is_done() =>
        Assert.Equal(0, (await CliRun.RunAsync(["publish", "--batch", "-", "--server", "http://127.0.0.1:1"], "\n")).Exit);
}
