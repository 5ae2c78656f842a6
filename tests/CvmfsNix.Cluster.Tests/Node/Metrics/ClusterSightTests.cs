using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Metrics;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Metrics;

public sealed class ClusterSightTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Without_a_leader_what_it_told_last_is_kept_and_what_others_tell_is_as_it_is_now()
    {
        ClusterSight before = Sight("akka.tcp://a", 7, View("r.example.org", 5, paths: 40) with { WhitelistExpiresAt = Now.AddDays(20), Queued = 3 });

        ClusterSight now = Sight(null, 0, View("r.example.org", 6, paths: 0), View("new.example.org", 1, paths: 0)).Remembering(before);

        Assert.Equal((null, 7UL), (now.Status.Leader, now.Status.Epoch));
        Assert.Equal((6UL, 40L, Now.AddDays(20), 0, true), (now.Status.Repositories[0].Revision, now.Status.Repositories[0].Paths, now.Status.Repositories[0].WhitelistExpiresAt, now.Status.Repositories[0].Queued, now.Status.Repositories[0].IsTold));
        Assert.False(now.Status.Repositories[1].IsTold);
    }

    [Fact]
    public void What_a_leader_tells_now_replaces_what_another_one_told()
    {
        ClusterSight before = Sight("akka.tcp://a", 7, View("r.example.org", 5, paths: 40) with { WhitelistExpiresAt = Now.AddDays(20) });
        ClusterSight now = Sight("akka.tcp://b", 8, View("r.example.org", 6, paths: 30) with { WhitelistExpiresAt = Now.AddDays(30) });

        Assert.Equal((30L, Now.AddDays(30)), (now.Remembering(before).Status.Repositories[0].Paths, now.Remembering(before).Status.Repositories[0].WhitelistExpiresAt));
        Assert.Same(now, now.Remembering(null));
    }

    private static RepositoryView View(string name, ulong revision, long paths) => new()
    {
        Repository = name, Revision = revision, Paths = paths, PublishedAt = DateTimeOffset.UnixEpoch, WhitelistExpiresAt = DateTimeOffset.UnixEpoch,
    };

    private static ClusterSight Sight(string? leader, ulong epoch, params RepositoryView[] repositories) => new(Now, new ClusterStatus("akka.tcp://a", ["core"], leader, epoch, [], repositories), "", 1, 1);
}
