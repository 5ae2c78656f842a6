using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Cli;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>Tags on real stores, and what tags and replicas keep from being collected; the clock is moved by hand.</summary>
public sealed class TagTests
{
    private static readonly RepositoryId Repository = RepositoryId.Parse(TestNode.Fqrn);

    private readonly HandClock _clock = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tag_is_served_without_a_commit_and_survives_commits_and_restarts()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        await PublishAsync(node, "a");
        Manifest before = Served(node);

        Assert.True((await node.Tags.SetAsync(TestNode.Fqrn, "v1", 0, "first", Ct)).Changed);
        Manifest tagged = Served(node);
        Assert.Equal((before.Revision, before.RootHash), (tagged.Revision, tagged.RootHash));
        Assert.NotEqual(before.History, tagged.History);
        Assert.False((await node.Tags.SetAsync(TestNode.Fqrn, "v1", 0, "", Ct)).Changed);
        RepositoryTag tag = Assert.Single(await node.Tags.ListAsync(TestNode.Fqrn, Ct));
        Assert.Equal(("v1", 2UL, "first", before.RootHash), (tag.Name, tag.Revision, tag.Description, tag.RootHash));

        await node.RestartAsync();
        await PublishAsync(node, "b");
        Assert.Equal([tag], await node.Tags.ListAsync(TestNode.Fqrn, Ct));
        await VerifiedAsync(node);
        await VerifiedAsync(node, "v1");

        Assert.True((await node.Tags.RemoveAsync(TestNode.Fqrn, "v1", Ct)).Changed);
        Assert.Empty(await node.Tags.ListAsync(TestNode.Fqrn, Ct));
        await VerifiedAsync(node);
    }

    [Fact]
    public async Task A_tagged_revision_is_not_collected_until_its_last_tag_is_gone()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        // A replica keeps everything there until the tags are set, however long that takes.
        await using ReplicaSession replica = await JoinedAsync(node);
        var manifests = new List<Manifest>();
        foreach (string name in (string[])["a", "b", "c", "d"])
        {
            await PublishAsync(node, name);
            manifests.Add(Served(node));
        }

        // Of an older revision that is superseded and still there, and of one that a tag names while it is the newest.
        await node.Tags.SetAsync(TestNode.Fqrn, "old", 2, "", Ct);
        await node.Tags.SetAsync(TestNode.Fqrn, "new", 0, "", Ct);
        IObjectStore objects = node.Core.Store(TestNode.Fqrn).Objects;
        replica.Report(Repository, new ReplicaPosition(99, 99, "aa"));
        _clock.Advance(TestNode.Keep);
        await UntilAsync(() => !objects.Contains(new ObjectName(manifests[0].History!.Value, ObjectKind.History)));
        await VerifiedAsync(node, "old");

        PublishingException gone = await Assert.ThrowsAsync<PublishingException>(() => node.Tags.SetAsync(TestNode.Fqrn, "lost", 1, "", Ct));
        Assert.Equal(PublishingCodes.UnknownRevision, gone.Code);
        gone = await Assert.ThrowsAsync<PublishingException>(() => node.Tags.SetAsync(TestNode.Fqrn, "lost", 99, "", Ct));
        Assert.Equal(PublishingCodes.UnknownRevision, gone.Code);
        Assert.Equal(PublishingCodes.UnknownTag, (await Assert.ThrowsAsync<PublishingException>(() => node.Tags.RemoveAsync(TestNode.Fqrn, "lost", Ct))).Code);

        foreach (string name in (string[])["e", "f"])
            await PublishAsync(node, name);
        await VerifiedAsync(node, "new");
        await node.Tags.RemoveAsync(TestNode.Fqrn, "old", Ct);
        _clock.Advance(TestNode.Keep);
        await UntilAsync(() => !objects.Contains(new ObjectName(manifests[0].RootHash, ObjectKind.Catalog)));
        await VerifiedAsync(node, "new");
        await VerifiedAsync(node);
    }

    [Fact]
    public async Task Catalogs_that_a_registered_replica_serves_are_collected_when_it_has_moved_on()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        await using ReplicaSession session = await JoinedAsync(node);
        var first = new ObjectName(Served(node).RootHash, ObjectKind.Catalog);
        foreach (string name in (string[])["a", "b", "c"])
            await PublishAsync(node, name);

        IObjectStore objects = node.Core.Store(TestNode.Fqrn).Objects;
        _clock.Advance(TestNode.Keep);
        // Long enough for several rounds of housekeeping to have passed: each asks the directory first.
        for (int round = 0; round < 3; round++)
            await PublishAsync(node, $"round-{round}");
        Assert.True(objects.Contains(first));

        session.Report(Repository, new ReplicaPosition(20, Served(node).Revision, "aa"));
        await UntilAsync(() => !objects.Contains(first));
        Assert.Empty(CatalogAudit.Run(node.Layout.RepositoryFolder(TestNode.Fqrn)).Findings);
    }

    private static async Task<ReplicaSession> JoinedAsync(TestNode node)
    {
        ReplicaSession session = node.Replication.Open(ReplicaId.Parse("mirror-1"), "geneva", "");
        session.Join(Repository, new ReplicaPosition(1, 1, "aa"));
        await UntilAsync(() => session.IsJoined(Repository));
        return session;
    }

    private Task<string> PublishAsync(TestNode node, string name) => DirectPublish.RunAsync(node.Core, TestNode.Fqrn, SyntheticPath.Package(name), _clock.GetUtcNow(), Ct);

    private static async Task VerifiedAsync(TestNode node, string? tag = null)
    {
        string key = Path.Combine(node.Options.KeysDirectory, TestNode.Fqrn + ".pub");
        CliRun run = await CliRun.RunAsync(
            ["verify", node.Layout.RepositoryFolder(TestNode.Fqrn), "--pubkey", key, "--deep", "--json", .. tag is null ? Array.Empty<string>() : ["--tag", tag]]);
        Assert.True(run.Exit == ExitCode.Done, run.Output);
    }

    private static Manifest Served(TestNode node) =>
        Manifest.ParseSigned(File.ReadAllBytes(Path.Combine(node.Layout.RepositoryFolder(TestNode.Fqrn), ".cvmfspublished"))).Manifest;

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bounded.CancelAfter(TimeSpan.FromMinutes(1));
        while (!condition())
            await Task.Delay(50, bounded.Token);
    }
}
