using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Mirrors;

/// <summary>What a mirror does with what it is told, on its real journal and store.</summary>
public sealed class ReplicaReceiverTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_revision_that_comes_is_served_complete_and_repeated_events_change_nothing()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 3);
        Assert.Equal(3UL, await node.ReadServedAsync());

        int filled = node.Filled.Count;
        await node.TellEventsAsync(1, 3);
        long next = await node.PublishAsync("next");
        await node.TellEventsAsync(next, next);
        await node.UntilAsync(p => p.Sequence == next);
        Assert.Equal([4UL], node.Filled.Skip(filled));
        Assert.Equal(4UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task Revisions_committed_during_a_transfer_are_one_step_after_it()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        var (held, release) = Hold(node, revision: 2);
        for (int i = 0; i < 5; i++)
            await node.PublishAsync($"p{i}");
        await node.TellEventsAsync(2, 2);
        await held;
        await node.TellEventsAsync(3, 6);
        Assert.Equal(1UL, node.Served());
        release.SetResult();

        await node.UntilNotedAsync(6);
        Assert.Equal([1UL, 2UL, 6UL], node.Filled);
        Assert.Equal(6UL, await node.ReadServedAsync());
        Assert.Equal(6UL, node.Mirror.Find(TestRepository.Name)!.IndexedRevision);
    }

    [Fact]
    public async Task After_a_gap_nothing_is_taken_and_the_stream_is_asked_for_anew()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        await node.PublishAsync("a");
        await node.PublishAsync("b");
        CancellationToken resync = node.Feed.Resync;
        await node.TellEventsAsync(3, 3);
        await TestNode.UntilAsync(() => Task.FromResult(resync.IsCancellationRequested));
        Assert.False(node.Feed.Resync.IsCancellationRequested);
        Assert.Equal((1L, 1UL), (node.Position.Sequence, node.Served()));
        Assert.Equal((3L, 3UL), (node.Position.HeadSequence, node.Position.HeadRevision));

        await node.TellEventsAsync(2, 3);
        await node.UntilAsync(p => p.Sequence == 3);
        Assert.Equal(3UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task A_fetching_that_fails_or_takes_for_ever_never_flips_and_is_tried_again()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        // What is served and known at the beginning of each try: that is after the failure of the one before.
        var tries = new List<(ulong Served, long Sequence, string Problem)>();
        node.BeforeFilling = (_, _) =>
        {
            tries.Add((node.Served(), node.Position.Sequence, node.Position.Problem));
            return tries.Count switch
            {
                1 => throw new TimeoutException("it took too long"),
                2 => throw new IOException("no space left on the device"),
                3 => throw new OperationCanceledException("somebody else gave up"),
                _ => Task.CompletedTask,
            };
        };
        long sequence = await node.PublishAsync("a");
        await node.TellEventsAsync(sequence, sequence);
        await node.UntilAsync(p => p.Sequence == sequence);
        Assert.Equal([(1UL, 1L, ""), (1UL, 1L, "it took too long"), (1UL, 1L, "no space left on the device"), (1UL, 1L, "somebody else gave up")], tries);
        Assert.Equal("", node.Position.Problem);
        Assert.NotEqual("", node.Position.Trouble);
        Assert.Equal(2UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task A_manifest_that_others_signed_is_never_served()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        await node.PublishAsync("a");
        using RepositoryKeys forger = RepositoryKeys.Create(TestRepository.Name, DateTimeOffset.UtcNow);
        MirroredEvent genuine = node.EventOf(2);
        ReadOnlyMemory<byte> forged = Manifest.ParseSigned(genuine.Manifest!.Signed.ToArray()).Manifest.Sign(forger.SigningKey).Bytes;
        await node.TellAsync(new MirrorProtocol.Arrived(TestRepository.Name, genuine with { Manifest = genuine.Manifest with { Signed = forged } }));
        MirrorPosition position = await node.UntilAsync(p => p.Problem.Length > 0);
        Assert.Equal((1L, 1UL), (position.Sequence, node.Served()));
        Assert.Equal(1UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task Another_key_another_store_directory_and_an_older_history_are_refused_and_what_was_served_is_served_on()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 2);
        long sequence = await node.PublishAsync("a");
        using RepositoryKeys other = RepositoryKeys.Create(TestRepository.Name, DateTimeOffset.UtcNow);
        await node.OfferAsync(key: other.MasterPublicKeyPem);
        Assert.Contains("another public key", (await node.UntilAsync(p => p.Problem.Length > 0)).Problem, StringComparison.Ordinal);
        await node.OfferAsync(storeDirectory: "/gnu/store");
        await node.UntilAsync(p => p.Problem.Contains("/gnu/store", StringComparison.Ordinal));
        await node.OfferAsync(headSequence: 1);
        await node.UntilAsync(p => p.Problem.Contains("an old journal was restored", StringComparison.Ordinal));
        await node.TellEventsAsync(sequence, sequence);
        Assert.DoesNotContain(3UL, node.Filled);
        Assert.Equal(2UL, await node.ReadServedAsync());

        await node.OfferAsync();
        await node.UntilAsync(p => p.Sequence == sequence);
        Assert.Equal("", node.Position.Problem);
        Assert.Equal(3UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task Paused_in_the_middle_of_a_transfer_it_serves_on_and_takes_nothing_until_it_is_resumed()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        var (held, _) = Hold(node, revision: 2);
        long sequence = await node.PublishAsync("a");
        await node.TellEventsAsync(sequence, sequence);
        await held;
        await node.TellAsync(new MirrorProtocol.Pause(TestRepository.Name));
        MirrorPosition paused = await node.UntilAsync(p => p is { Paused: true, Working: false });
        Assert.Equal((1L, ""), (paused.Sequence, paused.Problem));
        node.BeforeFilling = null;
        Assert.Equal(1UL, await node.ReadServedAsync());

        await node.TellAsync(new MirrorProtocol.Resume(TestRepository.Name));
        await node.UntilAsync(p => p.Sequence == sequence);
        Assert.Equal(2UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task Removed_there_it_serves_on_and_takes_nothing_until_it_is_offered_again()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        long sequence = await node.PublishAsync("a");
        await node.TellAsync(new MirrorProtocol.Forget(TestRepository.Name));
        await node.TellEventsAsync(sequence, sequence);
        // Messages are taken in order: the head that it heard of came after the event.
        await node.TellAsync(new MirrorProtocol.HeadIs(TestRepository.Name, sequence + 1, 9));
        await node.UntilAsync(p => p.HeadRevision == 9);
        Assert.Equal((1L, 1UL), (node.Position.Sequence, node.Served()));

        await node.OfferAsync();
        await node.TellEventsAsync(sequence, sequence);
        await node.UntilAsync(p => p.Sequence == sequence);
        Assert.Equal(2UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task Started_again_it_goes_on_where_its_journal_and_store_stand()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 5);
        await node.StopAsync();
        long sequence = await node.PublishAsync("while-away");
        await node.StartAsync();
        MirrorPosition position = await node.UntilAsync(p => p.Known);
        Assert.Equal((5L, 5UL), (position.Sequence, position.Revision));
        Assert.True(node.Mirror.IsReady);

        int filled = node.Filled.Count;
        await node.OfferAsync();
        await node.TellEventsAsync(sequence, sequence);
        await node.UntilAsync(p => p.Sequence == sequence);
        Assert.Equal([6UL], node.Filled.Skip(filled));
        Assert.Equal(6UL, await node.ReadServedAsync());
    }

    [Fact]
    public async Task Far_behind_it_indexes_what_lies_between_and_serves_the_newest_alone()
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 1);
        // More than the mirror's bound of 20.
        for (int i = 0; i < 24; i++)
            await node.PublishAsync($"p{i}");
        await node.OfferAsync();
        await node.TellEventsAsync(2, 25);
        await node.UntilNotedAsync(25);
        Assert.Equal(25UL, node.Filled[^1]);
        Assert.DoesNotContain(node.Filled, r => r is > 1 and < 5);
        Assert.Equal(25UL, await node.ReadServedAsync());
        Assert.Equal(25UL, node.Mirror.Find(TestRepository.Name)!.IndexedRevision);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_mirror_of_a_revision_that_was_lost_for_good_follows_the_history_that_goes_on_without_it(bool startedAgain)
    {
        await using MirrorNode node = await MirrorNode.StartedAsync();
        await FollowAsync(node, 3);
        SyntheticPath lost = SyntheticPath.Package("first-2", files: 12);
        Assert.NotNull(node.Mirror.Find(TestRepository.Name)!.Index.Paths.Find(lost.Path));
        await node.Origin.GoOnFromAsync(2, after: 1003, Ct);
        await node.Origin.PublishAsync(Ct, SyntheticPath.Package("goes-on", files: 12));
        Assert.Equal((5L, 1004UL), (node.Origin.Sequence, node.Origin.Head.Revision));
        // Nothing is seen of the event that says so.
        await node.TellAsync(new MirrorProtocol.Arrived(TestRepository.Name, new MirroredEvent(4, node.Origin.Now)));
        await node.TellAsync(new MirrorProtocol.Arrived(TestRepository.Name, node.EventOf(5, node.Origin.Revisions[^1], previous: 2)));
        // It is served before the index refuses it, and taken again after that.
        await node.UntilAsync(_ => node.Mirror.Find(TestRepository.Name)!.IndexedRevision == 1004);
        await node.UntilNotedAsync(5);
        if (startedAgain)
        {
            // The journal tells of both histories, of the one that counts last.
            await node.StopAsync();
            SqliteConnection.ClearAllPools();
            foreach (string file in Directory.EnumerateFiles(node.IndexFolder, "index.db*"))
                File.Delete(file);
            await node.StartAsync();
            await node.UntilAsync(p => p.Known && !p.Working && node.Mirror.Find(TestRepository.Name)!.IndexedRevision == 1004);
        }

        Assert.Equal(1004UL, await node.ReadServedAsync());
        RepositoryStore store = node.Mirror.Find(TestRepository.Name)!;
        Assert.Equal(1004UL, store.IndexedRevision);
        Assert.Null(store.Index.Paths.Find(lost.Path));
        Assert.NotNull(store.Index.Paths.Find(SyntheticPath.Package("first-1", files: 12).Path));
        Assert.NotNull(store.Index.Paths.Find(SyntheticPath.Package("goes-on", files: 12).Path));
    }

    private static async Task FollowAsync(MirrorNode node, int revisions)
    {
        while (node.Origin.Sequence < revisions)
            await node.PublishAsync($"first-{node.Origin.Sequence}");
        await node.OfferAsync();
        await node.TellEventsAsync(1, revisions);
        await node.UntilNotedAsync(revisions);
    }

    // Holds the filling of a revision until it is released or given up.
    private static (Task Held, TaskCompletionSource Release) Hold(MirrorNode node, ulong revision)
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        node.BeforeFilling = async (request, ct) =>
        {
            if (Manifest.ParseSigned(request.SignedManifest.ToArray()).Manifest.Revision != revision)
                return;
            held.TrySetResult();
            await release.Task.WaitAsync(ct);
        };
        return (held.Task.WaitAsync(Ct), release);
    }
}
