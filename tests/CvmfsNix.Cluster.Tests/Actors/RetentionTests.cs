using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;
using static CvmfsNix.Cluster.Tests.Actors.RetentionSteps;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>Rules, pins, removals and withdrawals on real stores and a real journal; the clock is moved by hand.</summary>
public sealed class RetentionTests
{
    private static readonly RetentionRules Rules = new(true, 1, TimeSpan.FromDays(1), false);

    private readonly HandClock _clock = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rules_pins_and_tombstones_survive_restarts_and_snapshots()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        await PublishAsync(node, SyntheticPath.Package("a"));
        Assert.Equal(RetentionRules.KeepAll, (await node.Retention.GetAsync(TestNode.Fqrn, Ct)).Rules);

        Assert.Equal(Rules, await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct));
        Assert.Equal(Rules, await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct));
        DateTimeOffset until = _clock.GetUtcNow() + TimeSpan.FromDays(3);
        await node.Retention.PinAsync(TestNode.Fqrn, [Name("a"), Name("to come")], until, "me", Ct);
        await node.Retention.WithdrawAsync(TestNode.Fqrn, Name("bad"), "CVE-1", "me", Ct);
        for (int i = 0; i < 4; i++)
            await PublishAsync(node, SyntheticPath.Package($"more{i}"));

        await node.RestartAsync();
        RetentionView view = await node.Retention.GetAsync(TestNode.Fqrn, Ct);
        Assert.Equal(Rules, view.Rules);
        Assert.Equal(new[] { new PathPin(Name("a"), until, "me"), new PathPin(Name("to come"), until, "me") }.OrderBy(p => p.Path), view.Roots.Pins.OrderBy(p => p.Path));
        Assert.Equal((Name("bad"), "CVE-1", "me"), (Assert.Single(view.Withdrawn).Path, view.Withdrawn[0].Reason, view.Withdrawn[0].By));
        PublishingException refused = await Assert.ThrowsAsync<PublishingException>(() => node.Retention.SetAsync(TestNode.Fqrn, Rules with { ProfileGenerations = 0 }, "me", Ct));
        Assert.Equal(PublishingCodes.InvalidRequest, refused.Code);
    }

    [Fact]
    public async Task What_the_rules_do_not_keep_is_removed_by_an_ordinary_revision_and_collected_after_its_grace()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath old = SyntheticPath.Package("old"), needed = SyntheticPath.Package("needed"), pinned = SyntheticPath.Package("pinned", references: [needed.Path]);
        await PublishAsync(node, old, needed, pinned);
        await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct);
        await node.Retention.PinAsync(TestNode.Fqrn, [pinned.Path], _clock.GetUtcNow() + TimeSpan.FromDays(30), "me", Ct);
        _clock.Advance(TimeSpan.FromDays(2));
        SyntheticPath recent = SyntheticPath.Package("recent");
        await PublishAsync(node, recent);

        RetentionPlan plan = await node.Retention.PlanAsync(TestNode.Fqrn, Ct);
        Assert.Equal([old.Path], plan.Removed);
        Assert.Equal([KeepKind.Recent, KeepKind.Pin, KeepKind.Reference], [plan.Kept[recent.Path].Kind, plan.Kept[pinned.Path].Kind, plan.Kept[needed.Path].Kind]);

        ulong before = Served(node).Revision;
        await RemovedAsync(node);
        Assert.Equal(before + 1, Served(node).Revision);
        Assert.Null(node.Store.Index.Paths.Find(old.Path));
        Assert.NotNull(node.Store.Index.Paths.Find(needed.Path));
        node.Audit();
        Assert.Equal(1, Assert.Single((await node.Retention.GetAsync(TestNode.Fqrn, Ct)).Removals).Paths);

        // The grace counts from the removal, and ends only once the revision before is not served by a name either.
        ObjectNamesThere(node, old);
        await PublishAsync(node, SyntheticPath.Package("next"));
        _clock.Advance(TimeSpan.FromHours(25));
        await TestNode.UntilAsync(async () => (await node.Retention.GetAsync(TestNode.Fqrn, Ct)).Removals.Count == 0);
        Assert.Equal(TransactionStatus.Rejected, (await DirectPublish.PublishAsync(node, SyntheticPath.Package("late", references: [old.Path]))).Status);
    }

    [Fact]
    public async Task Records_of_revisions_of_which_nothing_is_left_are_forgotten_and_a_lost_index_is_made_again_without_them()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath stays = SyntheticPath.Package("stays");
        await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct);
        await node.Retention.PinAsync(TestNode.Fqrn, [stays.Path], _clock.GetUtcNow() + TimeSpan.FromDays(30), "me", Ct);
        await PublishAsync(node, stays, SyntheticPath.Package("goes"));
        for (int i = 0; i < 34; i++)
            await PublishAsync(node, SyntheticPath.Of($"small{i}", SyntheticTree.File("x")));
        _clock.Advance(TimeSpan.FromDays(2));
        await RemovedAsync(node);
        await PublishAsync(node, SyntheticPath.Package("next"));
        _clock.Advance(TimeSpan.FromHours(25));
        await TestNode.UntilAsync(() => Task.FromResult(node.Rows("SELECT count(*) FROM journal WHERE manifest = 'nf'")[0] == "1"));

        var book = new RecordBook();
        foreach (string[] row in node.Rows($"SELECT manifest, hex(message) FROM journal WHERE persistence_id = 'repository-{TestNode.Fqrn}' ORDER BY sequence_number").Select(r => r.Split('|')))
            book.Add((IRepositoryEvent)ClusterSerializer.Read(Convert.FromHexString(row[1]), row[0]));
        // The revision that brought both keeps its files, and so the one that removed one of them.
        Assert.Equal(4, book.Kept.Count);
        IReadOnlyList<string> forgotten = book.Deletable();
        string[] before = [.. node.Store.Index.Paths.All().Select(p => p.Info.Path.Value)];
        Assert.Equal(2, before.Length);
        Assert.Equal(forgotten.Count, node.Store.ForgetRecords(forgotten, DateTimeOffset.UtcNow.AddDays(1)).Files);
        Assert.True(forgotten.Count >= 34);
        // What is forgotten cannot be gone back to, and that is said; it is not a surprise in the middle of it.
        PublishingException refused = await Assert.ThrowsAsync<PublishingException>(() => node.Retention.RollBackAsync(TestNode.Fqrn, "2", "me", Ct));
        Assert.Equal(PublishingCodes.UnknownRevision, refused.Code);

        await node.StopAsync();
        foreach (string file in Directory.EnumerateFiles(node.Layout.MetaFolder(TestNode.Fqrn), "index.db*"))
            File.Delete(file);
        await node.StartAsync();
        Assert.Equal(before, node.Store.Index.Paths.All().Select(p => p.Info.Path.Value));
        await PublishAsync(node, SyntheticPath.Package("again", references: [stays.Path]));
        node.Audit();
    }

    [Fact]
    public async Task A_publish_that_needs_a_removed_path_within_the_grace_gets_it_back()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath lib = SyntheticPath.Package("lib");
        await PublishAsync(node, lib);
        await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct);
        _clock.Advance(TimeSpan.FromDays(2));
        await RemovedAsync(node);
        Assert.Null(node.Store.Index.Paths.Find(lib.Path));

        await PublishAsync(node, SyntheticPath.Package("app", references: [lib.Path]));
        Assert.NotNull(node.Store.Index.Paths.Find(lib.Path));
        node.Audit();
    }

    [Fact]
    public async Task A_withdrawn_path_goes_with_all_that_needs_it_and_does_not_come_back_unnoticed()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath lib = SyntheticPath.Package("lib"), app = SyntheticPath.Package("app", references: [lib.Path]), other = SyntheticPath.Package("other");
        await PublishAsync(node, lib, app, other);
        await node.Tags.SetAsync(TestNode.Fqrn, "v1", 0, "", Ct);

        RetentionProtocol.RemovalIs done = await node.Retention.WithdrawAsync(TestNode.Fqrn, lib.Path, "CVE-1", "me", Ct);
        Assert.Equal(2, done.PathsCount);
        Assert.Equal([app.Path, lib.Path], done.Paths);
        Assert.Null(node.Store.Index.Paths.Find(app.Path));
        Assert.NotNull(node.Store.Index.Paths.Find(other.Path));
        Assert.Equal(["v1"], await node.Retention.TagsWithAsync(TestNode.Fqrn, lib.Path, Ct));
        node.Audit();

        TransactionView refused = await DirectPublish.PublishAsync(node, lib);
        Assert.Equal((TransactionStatus.Rejected, "PathWithdrawn"), (refused.Status, refused.Reason?.Code));
        // Nor by way of something that needs it, although its objects are there.
        Assert.Equal(TransactionStatus.Rejected, (await DirectPublish.PublishAsync(node, app)).Status);
        Assert.Equal(0, (await node.Retention.WithdrawAsync(TestNode.Fqrn, lib.Path, "CVE-1", "me", Ct)).PathsCount);

        await node.RestartAsync();
        Assert.Equal("PathWithdrawn", (await DirectPublish.PublishAsync(node, SyntheticPath.Package("x"), lib)).Reason?.Code);
        Assert.Equal(TransactionStatus.Committed, (await DirectPublish.PublishAsync(node, despiteWithdrawal: true, lib, app)).Status);
        node.Audit();
    }

    [Fact]
    public async Task An_older_revision_whose_paths_are_gone_for_good_cannot_be_tagged()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        SyntheticPath old = SyntheticPath.Package("old");
        await PublishAsync(node, old);
        await node.Retention.SetAsync(TestNode.Fqrn, Rules, "me", Ct);
        _clock.Advance(TimeSpan.FromDays(2));
        await RemovedAsync(node);
        await PublishAsync(node, SyntheticPath.Package("next"));
        _clock.Advance(TimeSpan.FromHours(25));
        await TestNode.UntilAsync(async () => (await node.Retention.GetAsync(TestNode.Fqrn, Ct)).Removals.Count == 0);
        PublishingException refused = await Assert.ThrowsAsync<PublishingException>(() => node.Tags.SetAsync(TestNode.Fqrn, "v1", 2, "", Ct));
        Assert.Equal(PublishingCodes.UnknownRevision, refused.Code);
    }

    private static void ObjectNamesThere(TestNode node, SyntheticPath path) => Assert.All(path.Objects.Keys, o => Assert.True(node.Store.Objects.Contains(o)));

    private static StorePathName Name(string name) => SyntheticPath.NameOf(name.Replace(' ', '-'));

    private static Manifest Served(TestNode node) => node.Store.Served!;
}
