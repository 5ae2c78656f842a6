using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;
using CvmfsNix.Cluster.TestKit.Store;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Copies;

/// <summary>Copies between stores, over real HTTP.</summary>
public sealed class StoreCopiesTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_transaction_with_all_it_refers_to_lies_on_two_stores_before_it_counts()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var own = await PeerNode.OfAsync(repository, "a");
        await using var other = await PeerNode.EmptyAsync("b");
        PeerNode.Connect(own, other);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x", files: 40), SyntheticPath.Package("y", files: 3)], Ct);
        StoreItem[] items = [.. StoreItems.OfBundle(repository.Store, member.BundleDigest)];

        var confirmed = await own.Copies(2).EnsureAsync(own.Store, items, "seed", Patience, Ct);

        Assert.Equal(["a", "b"], confirmed.Order());
        Assert.True(items.Length > 40);
        Assert.Empty(new StoreTransfer(other.Store).FindMissing(items));
    }

    [Fact]
    public async Task Fewer_stores_than_copies_is_never_enough()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var own = await PeerNode.OfAsync(repository, "a");
        PeerNode.Connect(own);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x")], Ct);
        var e = await Assert.ThrowsAsync<TooFewCopiesException>(
            () => own.Copies(2).EnsureBundleAsync(own.Store, member.BundleDigest, "seed", TimeSpan.Zero, Ct));
        Assert.Contains("2 copies are required; 1 stores are reachable", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<TooFewCopiesException>(() => own.Copies(2).WaitForStoresAsync(TimeSpan.Zero, Ct));
    }

    [Fact]
    public async Task A_publish_that_waits_goes_on_as_soon_as_a_store_is_there()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var own = await PeerNode.OfAsync(repository, "a");
        await using var other = await PeerNode.EmptyAsync("b");
        PeerNode.Connect(own);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x")], Ct);
        var waiting = own.Copies(2).EnsureBundleAsync(own.Store, member.BundleDigest, "seed", Patience, Ct);
        Assert.False(waiting.IsCompleted);
        PeerNode.Connect(own, other);
        Assert.Equal(["a", "b"], (await waiting).Order());
    }

    [Fact]
    public async Task A_store_that_was_started_anew_with_another_folder_confirms_nothing()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var own = await PeerNode.OfAsync(repository, "a");
        await using var other = await PeerNode.EmptyAsync("b");
        own.Set.Replace([own.Member(), other.Member() with { Id = "was-b" }]);
        string bundle = (await repository.SealAsync([], Ct)).BundleDigest;
        await Assert.ThrowsAsync<TooFewCopiesException>(
            () => own.Copies(2).EnsureAsync(own.Store, [StoreItem.OfBlob(bundle)], "seed", TimeSpan.FromMilliseconds(500), Ct));
    }

    [Fact]
    public async Task A_store_that_hangs_or_fails_holds_nobody_up_when_another_confirms()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var own = await PeerNode.OfAsync(repository, "a");
        await using var hanging = await PeerNode.EmptyAsync("b");
        await using var failing = await PeerNode.EmptyAsync("c");
        await using var good = await PeerNode.EmptyAsync("d");
        hanging.Before = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        failing.Before = _ => throw new IOException("broken");
        PeerNode.Connect(own, hanging, failing, good);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x")], Ct);
        StoreItem[] items = [.. StoreItems.OfBundle(repository.Store, member.BundleDigest)];
        for (int i = 0; i < 4; i++)
            Assert.Equal(["a", "d"], (await own.Copies(2).EnsureAsync(own.Store, items, $"seed {i}", Patience, Ct)).Order());
    }

    [Fact]
    public async Task Two_copies_lie_in_two_sites_where_there_are_two()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var own = await PeerNode.OfAsync(repository, "a");
        await using var near = await PeerNode.EmptyAsync("b");
        await using var far = await PeerNode.EmptyAsync("c");
        own.Set.Replace([own.Member("geneva"), near.Member("geneva"), far.Member("lyon")]);
        string bundle = (await repository.SealAsync([], Ct)).BundleDigest;
        for (int i = 0; i < 4; i++)
            Assert.Contains("c", await own.Copies(2).EnsureAsync(own.Store, [StoreItem.OfBlob(bundle)], $"seed {i}", Patience, Ct));
    }

    [Fact]
    public async Task What_this_node_lacks_is_copied_from_a_survivor_and_what_nobody_has_is_named()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var survivor = await PeerNode.OfAsync(repository, "a");
        await using var leader = await PeerNode.EmptyAsync("b");
        await using var third = await PeerNode.EmptyAsync("c");
        PeerNode.Connect(survivor, leader, third);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x", files: 20)], Ct);
        StoreItem[] items = [.. StoreItems.OfBundle(repository.Store, member.BundleDigest)];
        Assert.Equal(3, (await leader.Copies(3).EnsureAsync(leader.Store, items, "seed", Patience, Ct)).Count);
        Assert.Empty(new StoreTransfer(leader.Store).FindMissing(items));
        Assert.Empty(new StoreTransfer(third.Store).FindMissing(items));

        var lost = StoreItem.OfBlob(new string('0', 64));
        var e = await Assert.ThrowsAsync<IncompleteStoreException>(() => leader.Copies(2).EnsureAsync(leader.Store, [lost], "seed", Patience, Ct));
        Assert.Equal([lost.ToString()], e.Missing);
    }

    [Fact]
    public async Task The_leader_counts_again_and_copies_what_fell_short_from_a_survivor()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var survivor = await PeerNode.OfAsync(repository, "a");
        await using var leader = await PeerNode.EmptyAsync("b");
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x", files: 20)], Ct);
        var transaction = new SealedTransaction(
            TransactionId.From(member.Transaction), new RequestDigest(new byte[32]), member.BundleDigest, 1, 1, "builder") { Stores = ["a", "gone"] };
        StoreItem[] items = [.. StoreItems.OfBundle(repository.Store, member.BundleDigest)];

        // The survivor cannot be reached: the transaction waits, and says why.
        PeerNode.Connect(leader);
        Assert.Equal([transaction.Id], (await leader.Local.Backend.SecureAsync([transaction], Ct)).Keys);

        PeerNode.Connect(survivor, leader);
        Assert.Empty(await leader.Local.Backend.SecureAsync([transaction], Ct));
        Assert.Empty(new StoreTransfer(leader.Store).FindMissing(items));
    }

    [Fact]
    public async Task A_transaction_that_enough_stores_have_needs_only_its_bundle_at_the_leader()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await using var gateway = await PeerNode.OfAsync(repository, "a");
        await using var leader = await PeerNode.EmptyAsync("b");
        await using var third = await PeerNode.EmptyAsync("c");
        PeerNode.Connect(gateway, leader, third);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("x", files: 20)], Ct);
        var transaction = new SealedTransaction(
            TransactionId.From(member.Transaction), new RequestDigest(new byte[32]), member.BundleDigest, 1, 1, "builder") { Stores = ["a", "c"] };
        Assert.Empty(await leader.Local.Backend.SecureAsync([transaction], Ct));
        Assert.True(leader.Store.Blobs.Contains(member.BundleDigest));
        // Its bundle, and the empty file that every store has.
        StoreItem[] items = [.. StoreItems.OfBundle(repository.Store, member.BundleDigest)];
        Assert.InRange(new StoreTransfer(leader.Store).FindMissing(items).Count, items.Length - 2, items.Length);
    }

    [Fact]
    public async Task An_object_that_a_reader_asks_for_is_brought_from_a_peer_and_an_unknown_one_is_asked_for_once()
    {
        await using var repository = await TestRepository.CreateAsync(Ct);
        await repository.PublishAsync(Ct, SyntheticPath.Package("x"));
        await using var source = await PeerNode.OfAsync(repository, "a");
        await using var behind = await PeerNode.EmptyAsync("b");
        PeerNode.Connect(source, behind);
        var root = new ObjectName(repository.Head.RootHash, ObjectKind.Catalog);
        Assert.True(await behind.Stores.TryBringAsync(TestRepository.Name, root, Ct));
        Assert.True(behind.Store.Objects.Contains(root));

        int asked = 0;
        source.Before = _ => Task.FromResult(Interlocked.Increment(ref asked));
        var unknown = new ObjectName(Fake.Hash("unknown"), ObjectKind.Data);
        Assert.False(await behind.Stores.TryBringAsync(TestRepository.Name, unknown, Ct));
        Assert.False(await behind.Stores.TryBringAsync(TestRepository.Name, unknown, Ct));
        Assert.Equal(1, asked);
        Assert.False(await behind.Stores.TryBringAsync("other.example.org", unknown, Ct));
    }

    [Fact]
    public async Task Nobody_but_a_peer_is_admitted()
    {
        await using var node = await PeerNode.EmptyAsync("a");
        using var http = new HttpClient();
        foreach (string? credential in (string?[])[null, "Bearer a token that all nodes share", new PeerCredential("another token").Header])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"{node.Url}/peer/{TestRepository.Name}/have") { Content = new StringContent("") };
            if (credential is not null)
                request.Headers.TryAddWithoutValidation("Authorization", credential);
            using var answer = await http.SendAsync(request, Ct);
            Assert.Equal(StatusCodes.Status401Unauthorized, (int)answer.StatusCode);
        }
    }
}
