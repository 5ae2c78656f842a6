using System.Text;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

public sealed class BundleSweepTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly HandClock _clock = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Only_bundles_that_are_of_no_more_use_are_deleted_and_only_after_their_time()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("committed"));
        string[] records = [.. repository.Revisions.SelectMany(r => (string[])[r.PathInfoDigest, r.DeltaDigest])];
        string text = await repository.Store.Blobs.PutAsync(s => s.WriteAsync(Encoding.ASCII.GetBytes("path\npath"), Cancel).AsTask(), Cancel);
        string[] others = [.. repository.Store.Blobs.List()];
        CommitMember decided = await repository.SealAsync([SyntheticPath.Package("decided")], Cancel);
        CommitMember waiting = await repository.SealAsync([SyntheticPath.Package("waiting")], Cancel);
        CommitMember abandoned = await repository.SealAsync([SyntheticPath.Package("abandoned")], Cancel);
        var uses = new Dictionary<Guid, BundleUse>
        {
            [decided.Transaction] = BundleUse.Decided, [waiting.Transaction] = BundleUse.Needed, [abandoned.Transaction] = BundleUse.NotSealed,
        };
        _clock.Now = DateTimeOffset.UtcNow.AddSeconds(1);
        var sweep = new BundleSweep(repository.Store, _clock, Hour, 10 * Hour);

        // Not looked at before its time, then seen to be decided, then an hour more.
        Assert.Equal(0, await RunAsync());
        _clock.Now += Hour;
        Assert.Equal(0, await RunAsync());
        _clock.Now += Hour / 2;
        Assert.Equal(0, await RunAsync());
        Assert.True(repository.Store.Blobs.Contains(decided.BundleDigest));
        _clock.Now += Hour / 2;
        Assert.Equal(1, await RunAsync());
        Assert.False(repository.Store.Blobs.Contains(decided.BundleDigest));
        Assert.True(repository.Store.Blobs.Contains(abandoned.BundleDigest));

        _clock.Now += 100 * Hour;
        Assert.Equal(1, await RunAsync());
        Assert.False(repository.Store.Blobs.Contains(abandoned.BundleDigest));
        Assert.True(repository.Store.Blobs.Contains(waiting.BundleDigest));
        uses[waiting.Transaction] = BundleUse.Decided;
        await RunAsync();
        _clock.Now += Hour;
        Assert.Equal(1, await RunAsync());

        Assert.All([.. records, text], d => Assert.True(repository.Store.Blobs.Contains(d)));
        Assert.All(repository.Store.Blobs.List(), d => Assert.Contains(d, others));

        async Task<int> RunAsync() => (await sweep.RunAsync((id, _) => Task.FromResult(uses.GetValueOrDefault(id, BundleUse.Needed)), Cancel)).Deleted;
    }

    [Fact]
    public async Task A_bundle_that_a_killed_commit_left_behind_goes_and_one_that_cannot_be_decided_stops_no_other()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        // What a commit brings back is nobody's transaction.
        CommitMember left = await repository.SealAsync([SyntheticPath.Package("left")], Cancel, transaction: Guid.Empty);
        CommitMember[] decided = [await repository.SealAsync([SyntheticPath.Package("a")], Cancel), await repository.SealAsync([SyntheticPath.Package("b")], Cancel)];
        CommitMember bad = await repository.SealAsync([SyntheticPath.Package("bad")], Cancel);
        _clock.Now = DateTimeOffset.UtcNow.AddSeconds(1) + Hour;
        var sweep = new BundleSweep(repository.Store, _clock, Hour, 10 * Hour);

        BundleSweepResult first = await RunAsync();
        _clock.Now += Hour;
        BundleSweepResult second = await RunAsync();

        Assert.Equal((0, 1, "no"), (first.Deleted, first.Failed, first.Problem!.Message));
        Assert.Equal((3, 1, "no"), (second.Deleted, second.Failed, second.Problem!.Message));
        Assert.All([left, .. decided], m => Assert.False(repository.Store.Blobs.Contains(m.BundleDigest)));
        Assert.True(repository.Store.Blobs.Contains(bad.BundleDigest));

        Task<BundleSweepResult> RunAsync() => sweep.RunAsync(
            (id, _) => id == bad.Transaction || id == Guid.Empty ? throw new InvalidOperationException("no") : Task.FromResult(BundleUse.Decided), Cancel);
    }

    private sealed class HandClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UtcNow;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
