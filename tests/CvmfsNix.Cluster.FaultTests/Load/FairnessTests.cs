using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Store.Steps;
using Grpc.Net.Client;
using Xunit;
using PublishingService = CvmfsNix.Cluster.Contracts.Publishing.Publishing;

namespace CvmfsNix.Cluster.FaultTests.Load;

/// <summary>Who waits for whom, as an order and not as a time.</summary>
public sealed class FairnessTests
{
    // More than one batch takes, or the order in which they came would do as well.
    private static int Queued => BuiltPrograms.FullSize ? 1_000 : 400;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_publish_is_in_the_next_batch_however_many_another_builder_has_queued_before_it()
    {
        const string Repository = "queue.example.org";
        using var scratch = new Scratch("queue");
        await using var steps = new StepListener();
        await using NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]) { StepSocket = steps.SocketPath }, Ct);
        ulong first = (await CreatedRepository.CreateAsync(node.Addresses, Repository, Ct)).Revision;
        using GrpcChannel channel = GrpcChannel.ForAddress(node.Addresses.Grpc);
        var client = new PublishingService.PublishingClient(channel);
        var greedy = new NamedBuilder(client, Repository, "greedy");
        var modest = new NamedBuilder(client, Repository, "modest");

        // A batch is on its way, and stays there until everybody has queued.
        Task<HeldStep?> holding = steps.HoldAsync(StepNames.CatalogsBuilt, Deadline.Start, Ct);
        Task<TransactionOutcome> running = greedy.PublishAsync("running", NewId(), Ct);
        HeldStep held = await holding ?? throw new TimeoutException("No batch was begun.");
        Task<TransactionOutcome>[] queued = [.. Enumerable.Range(0, Queued).Select(i => greedy.PublishAsync($"queued-{i}", NewId(), Ct))];
        await QueuedAsync(Queued);
        Task<TransactionOutcome> other = modest.PublishAsync("other", NewId(), Ct);
        await QueuedAsync(Queued + 1);
        held.Release();

        Assert.Equal(first + 1, (await running).Revision);
        Assert.Equal(first + 2, (await other).Revision);
        TransactionOutcome[] all = await Task.WhenAll(queued);
        Assert.All(all, o => Assert.Equal(TransactionState.Committed, o.State));
        Assert.True(all.Max(o => o.Revision) > first + 2, "All were taken by one batch: the order proved nothing.");

        Task QueuedAsync(int count) => Deadline.UntilAsync(
            async () => (await client.GetStatusAsync(new GetStatusRequest(), cancellationToken: Ct)).Repositories.Single().Queued == count,
            $"{count} transactions are queued",
            Ct);
    }

    [Fact]
    public async Task A_commit_that_takes_its_time_in_one_repository_holds_up_no_other_repository()
    {
        const string Slow = "slow.example.org";
        const string Quick = "quick.example.org";
        using var scratch = new Scratch("two");
        await using var steps = new StepListener();
        await using NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]) { StepSocket = steps.SocketPath }, Ct);
        await CreatedRepository.CreateAsync(node.Addresses, Slow, Ct);
        await CreatedRepository.CreateAsync(node.Addresses, Quick, Ct);
        using GrpcChannel channel = GrpcChannel.ForAddress(node.Addresses.Grpc);
        var client = new PublishingService.PublishingClient(channel);

        Task<HeldStep?> holding = steps.HoldAsync(StepNames.CatalogsBuilt, Deadline.Start, Ct);
        Task<TransactionOutcome> slow = new NamedBuilder(client, Slow, "one").PublishAsync("slow", NewId(), Ct);
        HeldStep held = await holding ?? throw new TimeoutException("No batch was begun.");
        for (int i = 0; i < 3; i++)
            Assert.Equal(TransactionState.Committed, (await new NamedBuilder(client, Quick, "other").PublishAsync($"quick-{i}", NewId(), Ct)).State);
        Assert.False(slow.IsCompleted);
        held.Release();
        Assert.Equal(TransactionState.Committed, (await slow).State);
    }

    private static string NewId() => Guid.CreateVersion7().ToString();
}
