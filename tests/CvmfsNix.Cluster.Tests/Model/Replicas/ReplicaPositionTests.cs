using CvmfsNix.Cluster.Model.Replicas;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Replicas;

public sealed class ReplicaPositionTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 31, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_mirror_that_was_started_anew_keeps_the_trouble_it_had_until_it_has_another()
    {
        ReplicaPosition troubled = new(3, 2, "aa") { Trouble = "the disk was full", TroubleAt = Noon };
        ReplicaPosition fresh = new(4, 3, "bb");
        Assert.Equal(fresh with { Trouble = "the disk was full", TroubleAt = Noon }, fresh.After(troubled));
        ReplicaPosition other = fresh with { Trouble = "a line was cut", TroubleAt = Noon.AddHours(1) };
        Assert.Equal(other, other.After(troubled));
        Assert.Equal(fresh, fresh.After(ReplicaPosition.None));
    }
}
