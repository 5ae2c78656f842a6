using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>What a node does by itself as time goes by: the clock is moved by hand, everything else is real.</summary>
public sealed class UpkeepTests
{
    private readonly HandClock _clock = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_whitelist_is_renewed_when_half_of_its_validity_is_over()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        byte[] first = ServedWhitelist(node);
        _clock.Advance(TimeSpan.FromDays(14));
        await PublishAsync(node, SyntheticPath.Package("early"));
        await node.RestartAsync();
        await PublishAsync(node, SyntheticPath.Package("still-early"));
        Assert.Equal(first, ServedWhitelist(node));

        _clock.Advance(TimeSpan.FromDays(2));
        await UntilAsync(() => !ServedWhitelist(node).AsSpan().SequenceEqual(first));

        SignedWhitelist renewed = Whitelist.ParseSigned(ServedWhitelist(node));
        using RepositoryKeys keys = new KeyFolder(node.Options.KeysDirectory).TryLoad(TestNode.Fqrn)!.Cvmfs;
        Assert.True(renewed.HashMatches());
        Assert.True(renewed.Verify([RepositoryKeys.ReadPublicKeyPem(keys.MasterPublicKeyPem)]));
        Assert.True(renewed.Whitelist.Lists(keys.Certificate));
        Assert.Equal(TestNode.Fqrn, renewed.Whitelist.RepositoryName);
        Assert.False(renewed.Whitelist.IsExpiredAt(_clock.GetUtcNow().AddDays(29)));
        Assert.True(renewed.Whitelist.IsExpiredAt(_clock.GetUtcNow().AddDays(31)));
    }

    [Fact]
    public async Task Catalogs_of_superseded_revisions_are_deleted_after_their_time_and_what_is_served_stays_whole()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        var manifests = new List<Manifest> { ServedManifest(node) };
        foreach (string name in (string[])["a", "b", "c", "d"])
        {
            await PublishAsync(node, SyntheticPath.Package(name));
            manifests.Add(ServedManifest(node));
        }

        IObjectStore objects = node.Core.Store(TestNode.Fqrn).Objects;
        Assert.All(manifests, m => Assert.True(objects.Contains(Root(m)) && objects.Contains(Tags(m))));

        _clock.Advance(TestNode.Keep);
        // The served revision stays and the one before it, each with the one to go back to.
        await UntilAsync(() => manifests[..^3].All(m => !objects.Contains(Root(m))) && manifests[..^2].All(m => !objects.Contains(Tags(m))));
        Assert.All(manifests[^3..], m => Assert.True(objects.Contains(Root(m))));
        Assert.All(manifests[^2..], m => Assert.True(objects.Contains(Tags(m))));
        Assert.Equal(manifests[^1].RootHash, ServedManifest(node).RootHash);
        Assert.Empty(CatalogAudit.Run(node.Layout.RepositoryFolder(TestNode.Fqrn)).Findings);

        await PublishAsync(node, SyntheticPath.Package("e"));
        Assert.Empty(CatalogAudit.Run(node.Layout.RepositoryFolder(TestNode.Fqrn)).Findings);
    }

    [Fact]
    public async Task Bundles_are_deleted_once_their_transactions_are_decided()
    {
        await using var node = await TestNode.StartedAsync(_clock);
        string bundle = await PublishAsync(node, SyntheticPath.Package("a"));
        string[] before = [.. node.Core.Store(TestNode.Fqrn).Blobs.List()];
        Assert.Contains(bundle, before);

        await UntilAsync(() =>
        {
            _clock.Advance(TestNode.Keep);
            return !node.Core.Store(TestNode.Fqrn).Blobs.Contains(bundle);
        });
        Assert.Equal(before.Except([bundle]).Order(), node.Core.Store(TestNode.Fqrn).Blobs.List().Order());
        await node.RestartAsync();
        await PublishAsync(node, SyntheticPath.Package("b"));
    }

    [Fact]
    public async Task What_is_due_by_the_clock_is_done_although_the_queue_is_never_empty()
    {
        await using var node = new TestNode { CatalogsKeep = TimeSpan.FromSeconds(1) };
        await node.StartAsync();
        await node.Core.CreateRepositoryAsync(new CreateRepository(TestNode.Fqrn), Ct);
        var seals = new System.Collections.Concurrent.ConcurrentQueue<Task>();
        bool enough = false;
        node.Stores.At = async (step, ct) =>
        {
            // Before a batch is prepared the next one waits.
            if (step != "prepare" || Volatile.Read(ref enough))
                return;
            seals.Enqueue(node.Core.SealAsync(TestNode.Seal($"p{seals.Count}"), Ct));
            while ((await node.Core.GetRepositoryAsync(TestNode.Fqrn, ct)).Queued == 0)
                await Task.Delay(5, ct);
        };
        seals.Enqueue(node.Core.SealAsync(TestNode.Seal("first"), Ct));

        await UntilAsync(() => node.Stores[TestNode.Fqrn].Applied.Any(a => a.Event is Collected));
        Volatile.Write(ref enough, true);
        await Task.WhenAll(seals);
    }

    private Task<string> PublishAsync(TestNode node, SyntheticPath path) => DirectPublish.RunAsync(node.Core, TestNode.Fqrn, path, _clock.GetUtcNow(), Ct);

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bounded.CancelAfter(TimeSpan.FromMinutes(2));
        while (!condition())
            await Task.Delay(50, bounded.Token);
    }

    private static byte[] ServedWhitelist(TestNode node) => File.ReadAllBytes(Path.Combine(node.Layout.RepositoryFolder(TestNode.Fqrn), ".cvmfswhitelist"));

    private static Manifest ServedManifest(TestNode node) =>
        Manifest.ParseSigned(File.ReadAllBytes(Path.Combine(node.Layout.RepositoryFolder(TestNode.Fqrn), ".cvmfspublished"))).Manifest;

    private static ObjectName Root(Manifest manifest) => new(manifest.RootHash, ObjectKind.Catalog);

    private static ObjectName Tags(Manifest manifest) => new(manifest.History!.Value, ObjectKind.History);
}
