using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Recovery;
using CvmfsNix.Cluster.Recovery.Mending;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Actors;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Recovery;

/// <summary>A journal that is older than its store: refused by a leader, and mended from what the store has seen.</summary>
public sealed class MendTests
{
    private static readonly SyntheticPath First = SyntheticPath.Package("first"), Second = SyntheticPath.Package("second", references: [First.Path]), Third = SyntheticPath.Package("third");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Events_that_the_store_kept_come_back_one_by_one()
    {
        await using TestNode node = await BehindAsync();
        Manifest before = node.ServedManifest();
        IReadOnlyList<string> served = await RefusedAsync(node);

        MendResult plan = await MendAsync(node, r => r with { Confirmed = false, Complete = true });
        Assert.Equal((3UL, before.RootHash.ToString()), (plan.Revision, plan.RootHash));
        Assert.Equal(served, node.Rows(Journal));
        MendResult done = await MendAsync(node, r => r with { Complete = true });
        Assert.Equal(plan, done with { LostRevisions = plan.LostRevisions });
        Assert.Equal((0, 0UL), (done.LostRevisions.Count, done.ContinuesAfter));
        Assert.Contains("repo recover|done", node.Rows("SELECT command, outcome FROM cvmfsnix_audit"));

        await node.StartAsync();
        Assert.Equal(before.RootHash, node.ServedManifest().RootHash);
        Assert.NotNull(node.Store.Index.Paths.Find(Third.Path));
        Assert.Equal("kept", Assert.Single(await node.Tags.ListAsync(TestNode.Fqrn, Ct)).Name);
        TransactionView view = await DirectPublish.PublishAsync(node, SyntheticPath.Package("next", references: [Third.Path]));
        Assert.Equal((TransactionStatus.Committed, 4UL), (view.Status, view.Revision));
        node.Audit();
        await node.StopAsync();
        MendResult nothing = await MendAsync(node, r => r with { Complete = true });
        Assert.Equal(nothing.From, nothing.To);
    }

    [Fact]
    public async Task A_store_that_had_seen_more_finds_no_number_of_its_own_used_again_and_does_not_follow()
    {
        await using TestNode node = await TestNode.StartedAsync(TimeProvider.System);
        await DirectPublish.PublishAsync(node, First);
        await node.StopAsync();
        SqliteConnection.ClearAllPools();
        // The journal and the store as they were, while another store goes on to revision 3.
        string behind = Path.Combine(node.Layout.DataDirectory, "..", Path.GetFileName(node.Layout.DataDirectory) + "-behind");
        Copy(node.Layout.DataDirectory, behind);
        await node.StartAsync();
        await DirectPublish.PublishAsync(node, Second);
        Manifest acknowledged = node.ServedManifest();
        await node.StopAsync();
        SqliteConnection.ClearAllPools();
        foreach (string suffix in (string[])["", "-wal", "-shm"])
            File.Delete(node.JournalFile + suffix);

        // Mended from the store that lags; it cannot know of revision 3.
        var request = new MendRequest
        {
            Repository = TestNode.Fqrn, DataDirectory = behind, Journal = new JournalOptions.Sqlite(Path.Combine(behind, "journal.db")), Confirmed = true, Who = "me",
        };
        MendResult done = await new MendRun(request, TimeProvider.System).RunAsync(Ct);
        Assert.Equal((2UL, acknowledged.Revision), (done.Revision, 3UL));
        Assert.True(done.ContinuesAfter > acknowledged.Revision);
        MendResult again = await new MendRun(request, TimeProvider.System).RunAsync(Ct);
        Assert.Equal(again.From, again.To);

        // The other store refuses the journal, and serves what it had acknowledged.
        SqliteConnection.ClearAllPools();
        File.Copy(Path.Combine(behind, "journal.db"), node.JournalFile);
        await RefusedAsync(node);
        Assert.Equal(acknowledged.RootHash, node.ServedManifest().RootHash);
        Directory.Delete(behind, recursive: true);
    }

    [Fact]
    public async Task Events_that_nobody_has_are_given_up_on_demand_and_no_number_is_used_again()
    {
        await using TestNode node = await BehindAsync();
        ForgetEvents(node);
        SyntheticPath[] lost = [Second, Third];

        var refused = await Assert.ThrowsAsync<RecoveryException>(() => MendAsync(node, r => r));
        Assert.Equal(RecoveryCodes.StoreIncomplete, refused.Code);
        Assert.Contains("--give-up-lost", refused.Hint, StringComparison.Ordinal);
        MendResult done = await MendAsync(node, r => r with { GiveUpLost = true });
        Assert.Equal([3UL], done.LostRevisions);
        Assert.True(done.ContinuesAfter > 1000);

        await node.StartAsync();
        Assert.Equal(3UL, node.ServedManifest().Revision);
        TransactionView view = await DirectPublish.PublishAsync(node, lost);
        Assert.Equal((TransactionStatus.Committed, done.ContinuesAfter + 1), (view.Status, view.Revision));
        Assert.Equal(view.Revision, node.ServedManifest().Revision);
        Assert.All([First, .. lost], p => Assert.NotNull(node.Store.Index.Paths.Find(p.Path)));
        node.Audit();
        Assert.Equal(view.Revision + 1, (await DirectPublish.PublishAsync(node, SyntheticPath.Package("next"))).Revision);
        await node.RestartAsync();
        Assert.Equal(view.Revision + 1, node.ServedManifest().Revision);
        node.Audit();
    }

    [Theory]
    [InlineData(typeof(TagSet), 0)]
    [InlineData(typeof(RevisionCommitted), 1)]
    public async Task An_event_that_cannot_be_read_is_not_passed_over_in_silence(Type kind, int revisionsLost)
    {
        await using TestNode node = await BehindAsync();
        Manifest served = node.ServedManifest();
        long number = RepositoryStore.ReadArchive(node.Layout, TestNode.Fqrn).Last(e => kind.IsInstanceOfType(ClusterSerializer.ReadArchived(e.Event.Span)?.Event)).Sequence;
        string archived = Directory.EnumerateFiles(node.Layout.AppliedFolder(TestNode.Fqrn)).Single(f => long.Parse(Path.GetFileNameWithoutExtension(f), System.Globalization.CultureInfo.InvariantCulture) == number);
        await File.WriteAllTextAsync(archived, "damaged", Ct);
        IReadOnlyList<string> before = node.Rows(Journal);

        var refused = await Assert.ThrowsAsync<RecoveryException>(() => MendAsync(node, r => r));
        Assert.Equal(RecoveryCodes.StoreIncomplete, refused.Code);
        Assert.Contains($"Event {number}", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, node.Rows(Journal));
        MendResult done = await MendAsync(node, r => r with { GiveUpLost = true });
        Assert.Equal(revisionsLost, done.LostRevisions.Count);
        // What comes after it and builds on what is there is not lost with it.
        Assert.Equal(served.Revision - (ulong)revisionsLost, done.Revision);
        Assert.True(done.Filled > 0 && done.ContinuesAfter > served.Revision);
        MendResult again = await MendAsync(node, r => r with { GiveUpLost = true });
        Assert.Equal(again.From, again.To);

        // The store had followed what was given up; it follows what came in its place.
        await node.StartAsync();
        TransactionView view = await DirectPublish.PublishAsync(node, Second, Third, SyntheticPath.Package("next"));
        Assert.Equal((TransactionStatus.Committed, done.ContinuesAfter + 1), (view.Status, view.Revision));
        Assert.Equal(view.Revision, node.ServedManifest().Revision);
        node.Audit();
    }

    [Fact]
    public async Task A_revision_that_only_others_have_served_is_passed_over()
    {
        await using TestNode node = await TestNode.StartedAsync(TimeProvider.System);
        await DirectPublish.PublishAsync(node, First);
        await node.StopAsync();
        MendResult done = await MendAsync(node, r => r with { GiveUpLost = true, Above = 70_000 });
        Assert.True(done.ContinuesAfter > 70_000);
        await node.StartAsync();
        Assert.Equal(done.ContinuesAfter + 1, (await DirectPublish.PublishAsync(node, Second)).Revision);
        node.Audit();
    }

    [Fact]
    public async Task A_journal_of_another_history_is_not_mended()
    {
        await using TestNode node = await BehindAsync();
        await using TestNode other = await TestNode.StartedAsync(TimeProvider.System);
        await other.StopAsync();
        SqliteConnection.ClearAllPools();
        File.Copy(other.JournalFile, node.JournalFile, overwrite: true);
        Assert.Equal(RecoveryCodes.JournalUnusable, (await Assert.ThrowsAsync<RecoveryException>(() => MendAsync(node, r => r))).Code);
        Assert.Equal(
            RecoveryCodes.UnknownRepository,
            (await Assert.ThrowsAsync<RecoveryException>(() => MendAsync(node, r => r with { Repository = "none.example.org" }))).Code);
    }

    [Fact]
    public async Task Nothing_is_mended_under_a_node_that_runs()
    {
        await using TestNode node = await BehindAsync();
        using (NodeLock.Take(node.Layout.DataDirectory))
            Assert.Equal(RecoveryCodes.NodeRuns, (await Assert.ThrowsAsync<RecoveryException>(() => MendAsync(node, r => r))).Code);
        await MendAsync(node, r => r);
    }

    private const string Journal = "SELECT persistence_id, sequence_number FROM journal ORDER BY 1, 2";

    // A journal of revision 2 under a store of revision 3 with a tag, both of the second leadership.
    private static async Task<TestNode> BehindAsync()
    {
        TestNode node = await TestNode.StartedAsync(TimeProvider.System);
        await DirectPublish.PublishAsync(node, First);
        await node.StopAsync();
        SqliteConnection.ClearAllPools();
        string old = node.JournalFile + ".old";
        File.Copy(node.JournalFile, old);
        await node.StartAsync();
        await DirectPublish.PublishAsync(node, Second, Third);
        await node.Tags.SetAsync(TestNode.Fqrn, "kept", 0, "", Ct);
        await TestNode.UntilAsync(async () => (await node.Tags.ListAsync(TestNode.Fqrn, Ct)).Count == 1);
        await node.StopAsync();
        SqliteConnection.ClearAllPools();
        foreach (string suffix in (string[])["", "-wal", "-shm"])
            File.Delete(node.JournalFile + suffix);
        File.Move(old, node.JournalFile);
        return node;
    }

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static async Task<IReadOnlyList<string>> RefusedAsync(TestNode node)
    {
        Task starting = node.StartAsync();
        await TestNode.UntilAsync(() => Task.FromResult(node.Problem()?.Contains("JournalBehindStores", StringComparison.Ordinal) == true));
        await node.StopAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => starting);
        SqliteConnection.ClearAllPools();
        return node.Rows(Journal);
    }

    private static void ForgetEvents(TestNode node)
    {
        long last = long.Parse(node.Rows($"SELECT max(sequence_number) FROM journal WHERE persistence_id = 'repository-{TestNode.Fqrn}'")[0], System.Globalization.CultureInfo.InvariantCulture);
        foreach (string file in Directory.EnumerateFiles(node.Layout.AppliedFolder(TestNode.Fqrn)).Where(f => long.Parse(Path.GetFileNameWithoutExtension(f), System.Globalization.CultureInfo.InvariantCulture) > last))
            File.Delete(file);
    }

    private static Task<MendResult> MendAsync(TestNode node, Func<MendRequest, MendRequest> with) => new MendRun(
        with(new MendRequest
        {
            Repository = TestNode.Fqrn,
            DataDirectory = node.Layout.DataDirectory,
            Journal = new JournalOptions.Sqlite(node.JournalFile),
            Confirmed = true,
            Who = "me",
        }),
        TimeProvider.System).RunAsync(Ct);
}
