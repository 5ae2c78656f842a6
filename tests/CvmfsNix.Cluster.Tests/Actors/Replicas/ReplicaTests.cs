using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Replicas;

/// <summary>Replicas and their directory in a real actor system, with streams that a test speaks for.</summary>
public sealed class ReplicaTests
{
    private static readonly RepositoryId Repository = RepositoryId.Parse(TestNode.Fqrn);
    private static readonly ReplicaId Mirror = ReplicaId.Parse("mirror-1");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_mirror_is_registered_by_its_first_stream_and_stays_so_over_a_restart()
    {
        await using var node = await TestNode.StartedAsync();
        Assert.Empty(await node.Replication.ListAsync(null, Ct));
        await using (ReplicaSession session = await JoinedAsync(node, Mirror, new ReplicaPosition(0, 0, "")))
        {
            session.Report(Repository, new ReplicaPosition(2, 1, "aa"));
            ReplicaView view = await UntilAsync(node, v => v.Replica.Position.Revision == 1);
            Assert.Equal((ReplicaStanding.Following, "geneva", 0UL), (view.Standing, view.Replica.Site, view.LagRevisions));
        }

        Assert.Equal(ReplicaStanding.Unreachable, (await UntilAsync(node, v => !v.Replica.Connected)).Standing);
        await node.RestartAsync();
        ReplicaView after = Assert.Single(await node.Replication.ListAsync(TestNode.Fqrn, Ct));
        Assert.Equal((ReplicaStanding.Unreachable, "geneva"), (after.Standing, after.Replica.Site));
    }

    [Fact]
    public async Task A_pause_survives_a_restart_and_is_told_to_the_stream_that_comes_then()
    {
        await using var node = await TestNode.StartedAsync();
        await using (ReplicaSession session = await JoinedAsync(node, Mirror, ReplicaPosition.None))
        {
            ReplicaView paused = await node.Replication.ChangeAsync(TestNode.Fqrn, Mirror, new ReplicaChange.Pause(), Ct);
            Assert.Equal(ReplicaStanding.Paused, paused.Standing);
            Assert.Equal([(Repository, true)], (await NewsAsync(session, n => n.Pauses.Count > 0)).Pauses);
        }

        await node.RestartAsync();
        Assert.Equal(ReplicaStanding.Paused, Assert.Single(await node.Replication.ListAsync(null, Ct)).Standing);
        await using ReplicaSession again = await JoinedAsync(node, Mirror, ReplicaPosition.None);
        Assert.Equal([(Repository, true)], again.Take().Pauses);
        await node.Replication.ChangeAsync(TestNode.Fqrn, Mirror, new ReplicaChange.Resume(), Ct);
        Assert.Equal([(Repository, false)], (await NewsAsync(again, n => n.Pauses.Count > 0)).Pauses);
    }

    [Fact]
    public async Task A_wait_ends_when_the_last_replica_reports_and_names_who_is_behind_before()
    {
        await using var node = await TestNode.StartedAsync();
        await using ReplicaSession session = await JoinedAsync(node, Mirror, ReplicaPosition.None);
        TransactionView view = await node.Core.SealAsync(TestNode.Seal("a"), Ct);

        ReplicaWait early = await node.Replication.WaitAsync(TestNode.Fqrn, view.Revision, ReplicaCondition.All, TimeSpan.Zero, Ct);
        Assert.False(early.Reached);
        Assert.Equal(Mirror, Assert.Single(early.Behind).Key.Replica);

        Task<ReplicaWait> waiting = node.Replication.WaitAsync(TestNode.Fqrn, view.Revision, ReplicaCondition.All, TimeSpan.FromMinutes(2), Ct);
        session.Report(Repository, new ReplicaPosition(9, view.Revision, "aa"));
        Assert.Equal(Mirror, Assert.Single((await waiting).Serving).Key.Replica);
    }

    [Fact]
    public async Task Nobody_waits_for_a_paused_or_removed_replica()
    {
        await using var node = await TestNode.StartedAsync();
        await using ReplicaSession session = await JoinedAsync(node, Mirror, ReplicaPosition.None);
        await using ReplicaSession other = await JoinedAsync(node, ReplicaId.Parse("mirror-2"), ReplicaPosition.None);
        await node.Replication.ChangeAsync(TestNode.Fqrn, Mirror, new ReplicaChange.Pause(), Ct);
        Task<ReplicaWait> waiting = node.Replication.WaitAsync(TestNode.Fqrn, 1, ReplicaCondition.All, TimeSpan.FromMinutes(2), Ct);
        await node.Replication.ChangeAsync(TestNode.Fqrn, other.Replica, new ReplicaChange.Remove(), Ct);
        Assert.True((await waiting).Reached);
        Assert.Equal([Repository], (await NewsAsync(other, n => n.Forgotten.Count > 0)).Forgotten);
        Assert.Equal([Mirror], (await node.Replication.ListAsync(null, Ct)).Select(v => v.Replica.Key.Replica));
        PublishingException unknown = await Assert.ThrowsAsync<PublishingException>(() => node.Replication.ChangeAsync(TestNode.Fqrn, other.Replica, new ReplicaChange.Pause(), Ct));
        Assert.Equal(PublishingCodes.UnknownReplica, unknown.Code);

        await node.RestartAsync();
        Assert.Equal([Mirror], (await node.Replication.ListAsync(null, Ct)).Select(v => v.Replica.Key.Replica));
    }

    [Fact]
    public async Task A_second_stream_of_the_same_mirror_ends_the_first()
    {
        await using var node = await TestNode.StartedAsync();
        await using ReplicaSession first = await JoinedAsync(node, Mirror, ReplicaPosition.None);
        await using ReplicaSession second = await JoinedAsync(node, Mirror, new ReplicaPosition(2, 1, "aa"));
        await UntilAsync(() => Task.FromResult(first.Ended.IsCancellationRequested));
        Assert.True(first.Superseded);
        first.Report(Repository, new ReplicaPosition(1, 0, ""));
        second.Report(Repository, new ReplicaPosition(3, 1, "aa"));
        Assert.Equal(3, (await UntilAsync(node, v => v.Replica.Position.Sequence != 2)).Replica.Position.Sequence);
        Assert.False(second.Ended.IsCancellationRequested);
    }

    [Fact]
    public async Task Replicas_of_one_site_learn_of_each_other_and_of_no_other()
    {
        await using var node = await TestNode.StartedAsync();
        await using ReplicaSession a = await JoinedAsync(node, ReplicaId.Parse("a"), ReplicaPosition.None);
        await using ReplicaSession far = await JoinedAsync(node, ReplicaId.Parse("far"), ReplicaPosition.None, "tokyo");
        await using (ReplicaSession b = await JoinedAsync(node, ReplicaId.Parse("b"), ReplicaPosition.None))
        {
            Assert.Equal(["http://b:8000"], (await NewsAsync(a, n => n.Siblings is { Count: > 0 })).Siblings);
            Assert.Equal(["http://a:8000"], (await NewsAsync(b, n => n.Siblings is { Count: > 0 })).Siblings);
        }

        Assert.Empty((await NewsAsync(a, n => n.Siblings is not null)).Siblings!);
        Assert.Null(far.Take().Siblings);
    }

    [Fact]
    public async Task A_scrub_is_told_to_the_stream_and_its_report_is_shown()
    {
        await using var node = await TestNode.StartedAsync();
        await using ReplicaSession session = await JoinedAsync(node, Mirror, ReplicaPosition.None);
        await node.Replication.ChangeAsync(TestNode.Fqrn, Mirror, new ReplicaChange.Scrub(7), Ct);
        Assert.Equal([(Repository, 7L)], (await NewsAsync(session, n => n.Scrubs.Count > 0)).Scrubs);
        var report = new ScrubState(false, 3, 100, 1, 1, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, "");
        session.Report(Repository, report);
        Assert.Equal(report, (await UntilAsync(node, v => v.Replica.Scrub is not null)).Replica.Scrub);
    }

    [Fact]
    public async Task Lag_counts_events_revisions_and_the_time_since_the_first_event_that_is_missing()
    {
        await using var node = await TestNode.StartedAsync();
        await using ReplicaSession session = await JoinedAsync(node, Mirror, new ReplicaPosition(2, 1, "aa"));
        for (int i = 0; i < 3; i++)
            await node.Core.SealAsync(TestNode.Seal($"p{i}"), Ct);
        ReplicaView behind = await UntilAsync(node, v => v.LagRevisions == 3);
        Assert.Equal(3, behind.LagEvents);
        Assert.True(behind.LagTime > TimeSpan.Zero);

        session.Report(Repository, new ReplicaPosition(2, 1, "aa", 500, 5, CatchingUp: true));
        ReplicaView working = await UntilAsync(node, v => v.LagBytes > 0);
        Assert.Equal((ReplicaStanding.CatchingUp, 500L), (working.Standing, working.LagBytes));
    }

    [Fact]
    public async Task Streams_end_when_the_node_leaves_its_cluster()
    {
        await using var node = await TestNode.StartedAsync();
        ReplicaSession session = await JoinedAsync(node, Mirror, ReplicaPosition.None);
        CancellationToken ended = session.Ended;
        await node.StopAsync();
        Assert.True(ended.IsCancellationRequested);
        Assert.False(session.Superseded);
    }

    private static async Task<ReplicaSession> JoinedAsync(TestNode node, ReplicaId replica, ReplicaPosition position, string site = "geneva")
    {
        ReplicaSession session = node.Replication.Open(replica, site, $"http://{replica}:8000");
        session.Join(Repository, position);
        await UntilAsync(() => Task.FromResult(session.IsJoined(Repository)));
        return session;
    }

    private static async Task<ReplicaView> UntilAsync(TestNode node, Func<ReplicaView, bool> condition)
    {
        ReplicaView? found = null;
        await UntilAsync(async () => (found = (await node.Replication.ListAsync(TestNode.Fqrn, Ct)).FirstOrDefault(condition)) is not null);
        return found!;
    }

    private static async Task<ReplicaNews> NewsAsync(ReplicaSession session, Func<ReplicaNews, bool> condition)
    {
        ReplicaNews? news = null;
        await UntilAsync(() => Task.FromResult(condition(news = session.Take())));
        return news!;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bounded.CancelAfter(TimeSpan.FromSeconds(40));
        while (!await condition())
            await Task.Delay(10, bounded.Token);
    }
}
