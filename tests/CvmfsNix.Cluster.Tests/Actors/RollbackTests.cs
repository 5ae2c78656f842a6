using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;
using static CvmfsNix.Cluster.Tests.Actors.RetentionSteps;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>Going back to an earlier revision by a new one, on real stores and a real journal; the clock is moved by hand.</summary>
public sealed class RollbackTests
{
    private static readonly RetentionRules Rules = new(true, 1, TimeSpan.FromDays(1), false);

    private readonly HandClock _clock = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_came_since_goes_by_one_new_revision_and_can_be_had_back_the_same_way()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath lib = SyntheticPath.Package("lib"), good = SyntheticPath.Package("good", references: [lib.Path]), bad = SyntheticPath.Package("bad", references: [lib.Path]);
        await PublishAsync(node, lib, good);
        await node.Tags.SetAsync(TestNode.Fqrn, "v1", 0, "", Ct);
        string before = Tree(node);
        await PublishAsync(node, bad);
        ulong newest = node.Store.Served!.Revision;

        RetentionProtocol.RolledBack done = await node.Retention.RollBackAsync(TestNode.Fqrn, "v1", "me", Ct);
        Assert.Equal((2UL, newest + 1, 0L, 1L, 0L), (done.To, done.Revision, done.Returned, done.Removed, done.LeftOutCount));
        Assert.Equal(newest + 1, node.Store.Served!.Revision);
        Assert.Equal(before, Tree(node));
        Assert.Null(node.Store.Index.Paths.Find(bad.Path));
        node.Audit();

        // Said again it finds everything as it is to be.
        RetentionProtocol.RolledBack again = await node.Retention.RollBackAsync(TestNode.Fqrn, "2", "me", Ct);
        Assert.Equal((newest + 1, 0L, 0L), (again.Revision, again.Returned, again.Removed));

        RetentionProtocol.RolledBack forth = await node.Retention.RollBackAsync(TestNode.Fqrn, "trunk-previous", "me", Ct);
        Assert.Equal((newest, newest + 2, 1L, 0L), (forth.To, forth.Revision, forth.Returned, forth.Removed));
        Assert.NotNull(node.Store.Index.Paths.Find(bad.Path));
        node.Audit();
        await node.RestartAsync();
        await PublishAsync(node, SyntheticPath.Package("next", references: [bad.Path]));
        node.Audit();
    }

    [Fact]
    public async Task What_was_removed_since_comes_back_and_what_was_withdrawn_does_not()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath lib = SyntheticPath.Package("lib"), app = SyntheticPath.Package("app", references: [lib.Path]), old = SyntheticPath.Package("old"), young = SyntheticPath.Package("young");
        await PublishAsync(node, lib, app, old);
        ulong wanted = node.Store.Served!.Revision;
        await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct);
        _clock.Advance(TimeSpan.FromDays(2));
        await node.Retention.WithdrawAsync(TestNode.Fqrn, lib.Path, "CVE-1", "me", Ct);
        await PublishAsync(node, young);
        await RemovedAsync(node);
        Assert.Null(node.Store.Index.Paths.Find(old.Path));

        RetentionProtocol.RolledBack done = await node.Retention.RollBackAsync(TestNode.Fqrn, $"{wanted}", "me", Ct);
        Assert.Equal((1L, 1L, 2L), (done.Returned, done.Removed, done.LeftOutCount));
        Assert.Equal(new[] { app.Path, lib.Path }.Order(), done.LeftOut);
        Assert.Equal([old.Path], Present(node, lib, app, old, young));
        Assert.Equal(done.Revision, node.Store.Served!.Revision);
        node.Audit();
        Assert.Equal("PathWithdrawn", (await DirectPublish.PublishAsync(node, lib)).Reason?.Code);
    }

    [Fact]
    public async Task A_revision_that_is_unknown_or_whose_paths_are_gone_for_good_is_refused_and_nothing_changes()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        await PublishAsync(node, SyntheticPath.Package("old"));
        await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct);
        _clock.Advance(TimeSpan.FromDays(2));
        await RemovedAsync(node);
        await PublishAsync(node, SyntheticPath.Package("next"));
        _clock.Advance(TimeSpan.FromHours(25));
        await TestNode.UntilAsync(async () => (await node.Retention.GetAsync(TestNode.Fqrn, Ct)).Removals.Count == 0);
        ulong newest = node.Store.Served!.Revision;

        Assert.Equal(PublishingCodes.UnknownRevision, await RefusedAsync("2"));
        Assert.Equal(PublishingCodes.UnknownRevision, await RefusedAsync($"{newest + 1}"));
        Assert.Equal(PublishingCodes.UnknownTag, await RefusedAsync("v9"));
        Assert.Equal(PublishingCodes.InvalidRequest, await RefusedAsync("0"));
        Assert.Equal(PublishingCodes.InvalidRequest, await RefusedAsync("no tag"));
        Assert.Equal(newest, node.Store.Served!.Revision);
        await PublishAsync(node, SyntheticPath.Package("more"));
        node.Audit();

        async Task<string> RefusedAsync(string to) => (await Assert.ThrowsAsync<PublishingException>(() => node.Retention.RollBackAsync(TestNode.Fqrn, to, "me", Ct))).Code;
    }

    private static StorePathName[] Present(TestNode node, params SyntheticPath[] paths) => [.. paths.Select(p => p.Path).Where(p => node.Store.Index.Paths.Find(p) is not null)];

    private static string Tree(TestNode node) => string.Join('\n', node.Store.Index.Paths.All().Select(p => $"{p.Info.Path} {p.Info.NarHash}"));
}
