using CvmfsNix.Cluster.Model.Repositories;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

public sealed class BatchPacingTests
{
    [Fact]
    public void A_transaction_that_spoils_its_batch_is_alone_after_a_few_halvings_and_rejected_at_the_third_try()
    {
        var pacing = new BatchPacing(64);
        int members = 64;
        while (members > 1)
        {
            Assert.False(pacing.Failed(members, passes: false).RejectAlone);
            members = pacing.Members;
        }

        Assert.False(pacing.Failed(1, passes: false).RejectAlone);
        Assert.False(pacing.Failed(1, passes: false).RejectAlone);
        Assert.True(pacing.Failed(1, passes: false).RejectAlone);
    }

    [Fact]
    public void What_is_the_machines_fault_rejects_nobody()
    {
        var pacing = new BatchPacing(64);
        var last = TimeSpan.Zero;
        for (int i = 0; i < 20; i++)
        {
            var advice = pacing.Failed(1, passes: true);
            Assert.False(advice.RejectAlone);
            Assert.InRange(advice.Pause, last, TimeSpan.FromSeconds(30));
            last = advice.Pause;
        }

        Assert.Equal(TimeSpan.FromSeconds(1), pacing.Failed(1, passes: true, TimeSpan.FromSeconds(1)).Pause);
    }

    [Fact]
    public void After_a_success_batches_grow_again()
    {
        var pacing = new BatchPacing(8);
        pacing.Failed(8, passes: false);
        pacing.Failed(4, passes: false);
        Assert.Equal(2, pacing.Members);
        pacing.Prepared();
        pacing.Prepared();
        pacing.Prepared();
        Assert.Equal(8, pacing.Members);
    }
}
