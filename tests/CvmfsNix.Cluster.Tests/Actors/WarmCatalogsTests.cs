using CvmfsNix.Cluster.Model.Transactions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>A new leader opens the catalogs of what was written to a moment ago before somebody waits for them.</summary>
public sealed class WarmCatalogsTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task They_are_opened_by_themselves_and_the_writer_does_not_wait_for_it()
    {
        await using TestNode node = await TestNode.StartedAsync();
        await node.Core.SealAsync(TestNode.Seal("before"), Ct);
        await node.StopAsync();
        var warming = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Stores.At = async (step, ct) =>
        {
            if (step != "warm")
                return;
            warming.TrySetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, ct);
            }
            finally
            {
                cancelled.TrySetResult();
            }
        };

        await node.StartAsync();
        await warming.Task.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        Assert.Equal(TransactionStatus.Committed, (await node.Core.SealAsync(TestNode.Seal("meanwhile"), Ct)).Status);
        Assert.False(cancelled.Task.IsCompleted);
        await node.StopAsync();
        await cancelled.Task.WaitAsync(TimeSpan.FromMinutes(1), Ct);
    }

    [Fact]
    public async Task A_failure_of_it_is_nobodys_answer()
    {
        await using TestNode node = await TestNode.StartedAsync();
        await node.StopAsync();
        var tried = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Stores.At = (step, _) =>
        {
            if (step != "warm")
                return Task.CompletedTask;
            tried.TrySetResult();
            throw new IOException("the disk is full");
        };
        await node.StartAsync();
        await tried.Task.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        Assert.Equal(TransactionStatus.Committed, (await node.Core.SealAsync(TestNode.Seal("after"), Ct)).Status);
    }
}
