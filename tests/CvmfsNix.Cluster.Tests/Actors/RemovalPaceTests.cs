using CvmfsNix.Cluster.Actors.Repositories;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>How many paths a part of a removal takes, on a made-up machine.</summary>
public sealed class RemovalPaceTests
{
    // Seconds that every part takes, seconds of each path; the longest that a part may last in the end, and the fewest and most paths of one.
    [Theory]
    [InlineData(0.01, 0.0003, 1, 2000, 10_000)]
    [InlineData(0.05, 0.005, 1, 150, 200)]
    [InlineData(1.5, 0.0003, 3, 4000, 6000)]
    [InlineData(40, 0.0003, 43, 10_000, 10_000)]
    [InlineData(2, 0.05, 7, 100, 100)]
    public void Publishes_wait_for_a_second_or_for_as_long_again_as_looking_takes(double look, double each, double longest, int fewest, int most)
    {
        var pace = new RemovalPace();
        for (int part = 0; part < 30; part++)
        {
            int asked = pace.AtOnce;
            var took = TimeSpan.FromSeconds(look + (asked * each));
            if (part > 15)
            {
                Assert.InRange(asked, fewest, most);
                Assert.InRange(took.TotalSeconds, 0, longest * 1.1);
            }

            pace.Took(asked, took);
        }
    }
}
