using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Grpc.Core;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Control;

public sealed class RetentionAdministrationTests
{
    private const string Repository = "test.example.org";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_long_plan_is_told_part_by_part()
    {
        await using TestNode node = await TestNode.StartAsync();
        StorePathName[] names = [.. Enumerable.Range(0, 4_500).Select(i => SyntheticPath.NameOf($"p{i}"))];
        node.Retention.NextPlan = new RetentionPlan(names.Skip(1).ToDictionary(n => n, _ => new KeepReason(KeepKind.Tag, "v1")), [names[0]]);
        var told = new List<PlannedPath>();
        var request = new PlanRemovalRequest { Repository = Repository };
        PlanRemovalReply part;
        do
        {
            part = await node.Publishing.PlanRemovalAsync(request, cancellationToken: Cancel);
            told.AddRange(part.Paths);
            request.Plan = part.Plan;
            request.From = told.Count;
        }
        while (part.More);

        Assert.Equal((1L, 4_499L), (part.Removed, part.Kept));
        Assert.Equal(names.Select(n => n.Value).Order(StringComparer.Ordinal), told.Select(p => p.Path).Order(StringComparer.Ordinal));
        Assert.Equal((names[0].Value, ""), (told[0].Path, told[0].Reason));
        Assert.All(told.Skip(1), p => Assert.Equal(("tag", "v1"), (p.Reason, p.What)));
        RpcException stale = await Assert.ThrowsAsync<RpcException>(async () => await node.Publishing.PlanRemovalAsync(new PlanRemovalRequest { Repository = Repository, Plan = "old" }, cancellationToken: Cancel));
        Assert.Equal(StatusCode.InvalidArgument, stale.StatusCode);
    }

    [Fact]
    public async Task Who_holds_back_collection_is_named()
    {
        await using TestNode node = await TestNode.StartAsync();
        Assert.Equal("", (await node.Publishing.GetCollectionAsync(new GetCollectionRequest { Repository = Repository }, cancellationToken: Cancel)).HeldBy);
        node.Replication.Replicas.Add(FakeReplication.Summary("fresh", 40));
        node.Replication.Replicas.Add(FakeReplication.Summary("stuck", 4, site: "lyon"));
        CollectionInfo info = await node.Publishing.GetCollectionAsync(new GetCollectionRequest { Repository = Repository }, cancellationToken: Cancel);
        Assert.Equal(("stuck", "lyon", 4UL), (info.HeldBy, info.HeldSite, info.HeldAt));
    }

    [Fact]
    public async Task Rules_pins_removals_and_withdrawals_are_handed_on()
    {
        await using TestNode node = await TestNode.StartAsync();
        RetentionInfo info = await node.Publishing.SetRetentionAsync(
            new SetRetentionRequest { Repository = Repository, By = "me", Rules = new() { Enabled = true, ProfileGenerations = 4, KeepRecentSeconds = 60, Automatic = true } }, cancellationToken: Cancel);
        Assert.Equal((true, 4, 60L, true), (info.Rules.Enabled, info.Rules.ProfileGenerations, info.Rules.KeepRecentSeconds, info.Rules.Automatic));
        StorePathName path = SyntheticPath.NameOf("p");
        await node.Publishing.PinPathsAsync(new PinPathsRequest { Repository = Repository, Paths = { path.Value }, Until = 77, By = "me" }, cancellationToken: Cancel);
        CollectionInfo started = await node.Publishing.RunRemovalAsync(new RunRemovalRequest { Repository = Repository, By = "me" }, cancellationToken: Cancel);
        Assert.Equal((true, 7L, "a catalog is missing", 5UL), (started.Removing, started.PathsLeft, started.CollectionProblem, Assert.Single(started.Waiting).Revision));

        await node.Tags.SetAsync(Repository, "v1", 1, "", Cancel);
        node.Retention.TagsWith.Add("v1");
        WithdrawReply left = await node.Publishing.WithdrawAsync(new WithdrawRequest { Repository = Repository, Path = path.Value, Reason = "bad", By = "me" }, cancellationToken: Cancel);
        Assert.Equal((9UL, 1L, "v1"), (left.Revision, left.PathsCount, Assert.Single(left.TagsLeft)));
        WithdrawReply removed = await node.Publishing.WithdrawAsync(new WithdrawRequest { Repository = Repository, Path = path.Value, Reason = "bad", By = "me", Tags = true }, cancellationToken: Cancel);
        Assert.Equal("v1", Assert.Single(removed.TagsRemoved));
        Assert.Empty(node.Tags.Tags);
        Assert.Equal([$"pin {path} 77 me", "remove me", "collect", $"withdraw {path} bad me", $"withdraw {path} bad me"], node.Retention.Asked);
    }
}
