using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using static CvmfsNix.Cluster.Model.Retention.RetentionProtocol;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>Rules in memory; what was asked for is remembered.</summary>
internal sealed class FakeRetention : IRepositoryRetention, ICollectionStatus
{
    public RetentionRules Rules { get; private set; } = RetentionRules.KeepAll;

    public RetentionPlan NextPlan { get; set; } = new(new Dictionary<StorePathName, KeepReason>(), []);

    public List<string> Asked { get; } = [];

    /// <summary>Tags whose revisions have the path that is taken back.</summary>
    public List<string> TagsWith { get; } = [];

    public Task<RetentionView> GetAsync(string fqrn, CancellationToken ct) =>
        Task.FromResult(new RetentionView(Rules, new RetentionRoots(Rules, [], [], []), [], [new RemovedPaths(5, DateTimeOffset.UnixEpoch, "d", 3)], RemovalIs.None));

    public Task<RetentionRules> SetAsync(string fqrn, RetentionRules rules, string by, CancellationToken ct) => Task.FromResult(Rules = rules);

    public Task PinAsync(string fqrn, IReadOnlyList<StorePathName> paths, DateTimeOffset until, string by, CancellationToken ct)
    {
        Asked.Add($"pin {string.Join(',', paths)} {until.ToUnixTimeSeconds()} {by}");
        return Task.CompletedTask;
    }

    public Task<RetentionPlan> PlanAsync(string fqrn, CancellationToken ct) => Task.FromResult(NextPlan);

    public Task<RemovalIs> RemoveAsync(string fqrn, string by, CancellationToken ct)
    {
        Asked.Add($"remove {by}");
        return Task.FromResult(RemovalIs.None with { Running = true, Left = 7 });
    }

    public Task<RemovalIs> WithdrawAsync(string fqrn, StorePathName path, string reason, string by, CancellationToken ct)
    {
        Asked.Add($"withdraw {path} {reason} {by}");
        return Task.FromResult(RemovalIs.None with { Revision = 9, Paths = [path], PathsCount = 1 });
    }

    public Task<RolledBack> RollBackAsync(string fqrn, string to, string by, CancellationToken ct)
    {
        Asked.Add($"roll back {to} {by}");
        return Task.FromResult(new RolledBack(3, 9, "00", 12, 1, 2, [], 0));
    }

    public Task<IReadOnlyList<string>> TagsWithAsync(string fqrn, StorePathName path, CancellationToken ct) => Task.FromResult<IReadOnlyList<string>>(TagsWith);

    public CollectionStatus Of(string repository) => CollectionStatus.Never with { Problem = "a catalog is missing" };

    public void RunSoon(string repository) => Asked.Add("collect");
}
