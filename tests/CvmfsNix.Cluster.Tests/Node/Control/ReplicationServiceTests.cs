using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Node.Access;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Control;

/// <summary>The stream of a mirror over real gRPC, from a real core.</summary>
public sealed class ReplicationServiceTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_new_replica_is_told_everything_from_the_start_and_each_commit_as_it_happens()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        await node.PublishAsync("a");
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1");

        Welcome welcome = (await replica.NextAsync()).Welcome;
        Assert.Equal(1U, welcome.Protocol);
        Assert.StartsWith("http://127.0.0.1:", Assert.Single(welcome.DataUrls), StringComparison.Ordinal);
        RepositoryOffer offer = (await replica.UntilAsync(m => m.Offer is not null)).Offer;
        Assert.Equal((WholeNode.Repository, "/nix/store", "sha1", 240, 8), (offer.Repository, offer.StoreDirectory, offer.HashAlgorithm, offer.TtlSeconds, offer.NestedMinEntries));
        Assert.Contains("PUBLIC KEY", offer.PublicKey, StringComparison.Ordinal);

        RevisionEvent created = await replica.RevisionAsync();
        Assert.True(created.Created);
        Assert.True(Whitelist.ParseSigned(created.Whitelist.Memory).Verify([RepositoryKeys.ReadPublicKeyPem(offer.PublicKey)]));
        RevisionEvent second = await replica.RevisionAsync();
        Assert.Equal((2UL, 1L), (second.Head.Revision, second.Head.Paths));
        Assert.Equal(Manifest.ParseSigned(second.SignedManifest.Memory).Manifest.RootHash.ToString(), second.Head.RootHash);
        Assert.Equal(second.DeltaDigest, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(second.Delta.Span)));

        await node.PublishAsync("b");
        Assert.Equal(3UL, (await replica.RevisionAsync()).Head.Revision);
    }

    [Fact]
    public async Task A_replica_that_comes_back_is_told_what_it_lacks_and_nothing_twice()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        await node.PublishAsync("a");
        long sequence;
        using (FakeReplica first = await FakeReplica.FollowAsync(node, "mirror-1"))
        {
            while ((await first.RevisionAsync()).Head.Revision < 2)
            {
            }

            sequence = first.Sequence;
        }

        await node.PublishAsync("b");
        using FakeReplica again = await FakeReplica.FollowAsync(node, "mirror-1", sequence, 2);
        Assert.Equal(3UL, (await again.RevisionAsync()).Head.Revision);
    }

    [Fact]
    public async Task A_replica_far_behind_is_read_on_from_the_journal_without_a_gap()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        // More than a node keeps in memory: each commit is followed by further events.
        for (int i = 0; i < 70; i++)
            await node.PublishAsync($"p{i}");
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1");
        ulong expected = 1;
        while (expected <= 71)
            Assert.Equal(expected++, (await replica.RevisionAsync()).Head.Revision);
    }

    [Fact]
    public async Task What_a_replica_says_of_itself_ends_a_wait_for_it()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1");
        await replica.RevisionAsync();
        await node.PublishAsync("a");
        var wait = new WaitRequest { Repository = WholeNode.Repository, Revision = 2, ForReplicas = "site:geneva", TimeoutMs = 50 };
        RpcException late;
        do
        {
            // Too short to ask the node itself, it names no replica yet.
            wait.TimeoutMs *= 2;
            late = await Assert.ThrowsAsync<RpcException>(async () => await node.Publishing.WaitAsync(wait, cancellationToken: Ct));
        }
        while (!late.Status.Detail.Contains("mirror-1", StringComparison.Ordinal));

        wait.TimeoutMs = 120_000;
        AsyncUnaryCall<WaitReply> waiting = node.Publishing.WaitAsync(wait, cancellationToken: Ct);
        await replica.RevisionAsync();
        await replica.TellAsync(2);
        Assert.Equal("mirror-1", Assert.Single((await waiting).Replicas).Replica);
        NodeStatus status = await node.Publishing.GetStatusAsync(new GetStatusRequest(), cancellationToken: Ct);
        Assert.Equal(("mirror-1", "following", 2UL), (status.Replicas.Single().Replica, status.Replicas.Single().State, status.Replicas.Single().Revision));
    }

    [Fact]
    public async Task Orders_and_siblings_reach_the_replica()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1");
        await replica.RevisionAsync();
        await Change(ReplicaAction.ReplicaPause);
        Assert.NotNull((await replica.UntilAsync(m => m.Order is not null)).Order.Pause);
        await Change(ReplicaAction.ReplicaResume);
        Assert.NotNull((await replica.UntilAsync(m => m.Order is not null)).Order.Resume);
        await Change(ReplicaAction.ReplicaScrub);
        Assert.NotNull((await replica.UntilAsync(m => m.Order is not null)).Order.Scrub);

        using (FakeReplica sibling = await FakeReplica.FollowAsync(node, "mirror-2"))
            Assert.Equal(["http://mirror-2:8000"], (await replica.UntilAsync(m => m.Siblings is { DataUrls.Count: > 0 })).Siblings.DataUrls);

        await Change(ReplicaAction.ReplicaRemove);
        Assert.NotNull((await replica.UntilAsync(m => m.Order is not null)).Order.Forget);

        async Task Change(ReplicaAction action) =>
            await node.Publishing.ChangeReplicaAsync(new ChangeReplicaRequest { Replica = "mirror-1", Action = action }, cancellationToken: Ct);
    }

    [Fact]
    public async Task A_tag_set_with_no_commit_reaches_the_replica()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1");
        RevisionEvent created = await replica.RevisionAsync();
        TagReply set = await node.Publishing.SetTagAsync(new SetTagRequest { Repository = WholeNode.Repository, Name = "v1" }, cancellationToken: Ct);
        TagsEvent tags = (await replica.UntilAsync(m => m.Event?.Tags is not null)).Event.Tags;
        Assert.Equal(("v1", 1UL, set.Tag.RootHash), (tags.Set.Name, tags.Set.Revision, tags.Set.RootHash));
        Assert.Equal((created.Head.RootHash, created.Head.History), (tags.Head.RootHash, tags.Head.CommittedHistory));
        Assert.Equal(Manifest.ParseSigned(tags.SignedManifest.Memory).Manifest.History.ToString(), tags.Head.History);

        await node.Publishing.RemoveTagAsync(new RemoveTagRequest { Repository = WholeNode.Repository, Name = "v1" }, cancellationToken: Ct);
        Assert.Equal("v1", (await replica.UntilAsync(m => m.Event?.Tags is not null)).Event.Tags.Removed);
    }

    [Fact]
    public async Task A_paused_replica_that_comes_back_is_told_so_before_the_first_event()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        using (FakeReplica first = await FakeReplica.FollowAsync(node, "mirror-1"))
        {
            await first.RevisionAsync();
            await node.Publishing.ChangeReplicaAsync(new ChangeReplicaRequest { Replica = "mirror-1", Action = ReplicaAction.ReplicaPause }, cancellationToken: Ct);
        }

        using FakeReplica again = await FakeReplica.FollowAsync(node, "mirror-1");
        ToReplica told = await again.UntilAsync(m => m.Order is not null || m.Event is not null);
        Assert.NotNull(told.Order?.Pause);
    }

    [Fact]
    public async Task A_second_stream_of_the_same_id_and_a_node_that_stops_end_the_stream()
    {
        WholeNode node = await WholeNode.StartAsync();
        await using (node)
        {
            using FakeReplica first = await FakeReplica.FollowAsync(node, "mirror-1");
            await first.RevisionAsync();
            using FakeReplica second = await FakeReplica.FollowAsync(node, "mirror-1");
            await second.RevisionAsync();
            Assert.Equal(StatusCode.Aborted, (await first.EndAsync()).StatusCode);
            Task<RpcException> ending = second.EndAsync();
            await node.StopAsync();
            RpcException end = await ending;
            // The connection closes in order right behind the answer; a client whose half is still open may see that first. Programs take both for a node that is away.
            Assert.True(end.StatusCode == StatusCode.Unavailable || end.Status.DebugException is HttpProtocolException { ErrorCode: 0 }, end.ToString());
        }
    }

    [Fact]
    public async Task With_tokens_on_a_replica_needs_its_own()
    {
        await using WholeNode node = await WholeNode.StartAsync(AccessTokens.Of(["an-operators-token", "mirror-1s-token replica:mirror-1"]));
        using FakeReplica none = await FakeReplica.FollowAsync(node, "mirror-1");
        Assert.Equal(StatusCode.Unauthenticated, (await none.EndAsync()).StatusCode);
        using FakeReplica stranger = await FakeReplica.FollowAsync(node, "mirror-2", token: "mirror-1s-token");
        Assert.Equal(StatusCode.PermissionDenied, (await stranger.EndAsync()).StatusCode);
        using FakeReplica own = await FakeReplica.FollowAsync(node, "mirror-1", token: "mirror-1s-token");
        Assert.NotNull((await own.NextAsync()).Welcome);
        RpcException publish = await Assert.ThrowsAsync<RpcException>(async () =>
            await node.Publishing.GetStatusAsync(new GetStatusRequest(), new Metadata { { "authorization", "Bearer mirror-1s-token" } }, cancellationToken: Ct));
        Assert.Equal(StatusCode.PermissionDenied, publish.StatusCode);
    }

    [Fact]
    public async Task A_scoped_token_opens_the_repositories_it_names_until_it_is_revoked()
    {
        await using WholeNode node = await WholeNode.StartAsync(null, null, "127.0.0.1:0", "--require-tokens");
        await node.Core.CreateRepositoryAsync(new CvmfsNix.Cluster.Actors.Hosting.CreateRepository("other.example.org"), Ct);
        var table = node.Services.GetRequiredService<ITokenTable>();
        TokenSecret token = TokenSecret.New();
        await table.AddAsync(new StoredToken(token.Id, token.Digest, "mirror", $"replicate:{WholeNode.Repository}", DateTimeOffset.UtcNow, null, null), Ct);
        using FakeReplica greedy = await FakeReplica.FollowAsync(node, "mirror-1", token: token.Text, change: h => h.Repositories.Add("other.example.org"));
        RpcException refused = await greedy.EndAsync();
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        Assert.Contains("replicate:other.example.org", refused.Status.Detail, StringComparison.Ordinal);

        string operators = AdminToken.LoadOrCreate(Path.Combine(node.Data, "keys"));
        using (FakeReplica all = await FakeReplica.FollowAsync(node, "mirror-2", token: operators))
            await all.UntilAsync(m => m.Offer?.Repository == "other.example.org");

        // One that wants everything is fed what it may have, up to the first pulse, which is sent when all offers are.
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1", token: token.Text);
        var offered = new List<string>();
        await replica.UntilAsync(m =>
        {
            if (m.Offer is { } offer)
                offered.Add(offer.Repository);
            return m.Pulse is not null;
        });
        Assert.Equal([WholeNode.Repository], offered);

        Assert.True(await table.RevokeAsync(token.Id, DateTimeOffset.UtcNow, Ct));
        await replica.EndAsync();
        using FakeReplica again = await FakeReplica.FollowAsync(node, "mirror-1", token: token.Text);
        Assert.Equal(StatusCode.Unauthenticated, (await again.EndAsync()).StatusCode);
    }

    [Theory]
    [InlineData("replica")]
    [InlineData("site")]
    [InlineData("url")]
    [InlineData("position")]
    [InlineData("protocol")]
    public async Task A_malformed_hello_is_refused(string part)
    {
        await using WholeNode node = await WholeNode.StartAsync();
        using FakeReplica replica = await FakeReplica.FollowAsync(node, "mirror-1", change: hello =>
        {
            switch (part)
            {
                case "replica": hello.Replica = "a/b"; break;
                case "site": hello.Site = ""; break;
                case "url": hello.DataUrl = "mirror"; break;
                case "position": hello.Positions.Add(new RepositoryPosition { Repository = "../x" }); break;
                default: hello.Protocol = 2; break;
            }
        });
        Assert.Equal(part == "protocol" ? StatusCode.Unimplemented : StatusCode.InvalidArgument, (await replica.EndAsync()).StatusCode);
        Assert.Empty(await node.Replicas.ListAsync(null, Ct));
    }
}
