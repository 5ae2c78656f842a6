using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Trees;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>What a user of the command line can get wrong when publishing.</summary>
[Collection(RefusingNodeTests.Name)]
public sealed class PublishRefusalTests(RefusingNode node)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string CommittedPath => SyntheticStore.FullPath(node.Committed.Path);

    [Fact]
    public async Task An_unknown_repository()
    {
        var refusal = new Refusal(1, "UnknownRepository", "nowhere.example.org", "nowhere.example.org");
        await node.RefusesAsync(async () =>
        {
            await refusal.OfAsync(node.Addresses, ["publish", "--repo", "nowhere.example.org", CommittedPath, .. node.Store.Arguments], Ct);
            await refusal.OfAsync(node.Addresses, ["repo", "show", "nowhere.example.org"], Ct);
        });
    }

    [Fact]
    public Task A_path_that_is_in_no_store() =>
        node.RefusesPublishAsync(new Refusal(1, "NotAStorePath", "/usr/bin/env", "/nix/store"), ["/usr/bin/env", .. node.Store.Arguments]);

    [Fact]
    public Task A_path_that_does_not_exist() =>
        node.RefusesPublishAsync(new Refusal(1, "PathNotFound", "/no/such/result"), ["/no/such/result", .. node.Store.Arguments]);

    [Fact]
    public Task A_path_that_is_not_registered()
    {
        string unknown = SyntheticStore.FullPath(StorePathName.Create(new byte[StorePathName.HashSize], "unknown"));
        return node.RefusesPublishAsync(new Refusal(1, "UnknownPath", unknown, unknown), [unknown, .. node.Store.Arguments]);
    }

    [Fact]
    public async Task A_reference_that_nobody_brings()
    {
        var store = new SyntheticStore(node.NewFolder("missing"));
        PathInfo absent = await store.AddAsync("absent", "absent", [], files: 2, fileBytesMax: 500, Ct);
        PathInfo user = await store.AddAsync("user of the absent", "user", [absent.Path], files: 2, fileBytesMax: 500, Ct);
        store.Register();
        await node.RefusesPublishAsync(
            new Refusal(1, "MissingReference", absent.Path.Value, user.Path.Value, absent.Path.Value),
            [SyntheticStore.FullPath(user.Path), "--no-closure", .. store.Arguments],
            objectsMayStay: true);
    }

    [Fact]
    public async Task Content_that_is_not_what_Nix_registered()
    {
        var store = new SyntheticStore(node.NewFolder("damaged"));
        PathInfo damaged = await store.AddAsync("damaged", "damaged", [], files: 12, fileBytesMax: 500, Ct);
        store.Register();
        string disk = store.Root + SyntheticStore.FullPath(damaged.Path);
        if (Directory.Exists(disk))
            File.WriteAllText(Path.Combine(disk, "added-later"), "not registered");
        else
            File.AppendAllText(disk, "not registered");
        await node.RefusesPublishAsync(
            new Refusal(1, "NarHashMismatch", damaged.Path.Value, damaged.NarHash.ToString(), $"{damaged.NarSize} bytes"),
            [SyntheticStore.FullPath(damaged.Path), .. store.Arguments]);
    }

    [Fact]
    public async Task Other_content_under_a_committed_path_says_how_the_two_differ()
    {
        var store = new SyntheticStore(node.NewFolder("rebuilt"));
        PathInfo rebuilt = await store.AddAsync("committed", "as it was built again", [], files: 12, fileBytesMax: 4000, Ct);
        store.Register();
        Assert.Equal(node.Committed.Path, rebuilt.Path);
        await node.RefusesPublishAsync(
            new Refusal(
                1,
                "StorePathConflict",
                CommittedPath,
                $"{node.Committed.NarHash} and {node.Committed.NarSize} bytes",
                $"{rebuilt.NarHash} and {rebuilt.NarSize} bytes",
                "First difference: "),
            [CommittedPath, "--conflict", "refuse", .. store.Arguments]);
    }

    [Fact]
    public async Task A_transaction_id_that_was_used_for_another_request()
    {
        string id = Guid.CreateVersion7().ToString();
        CliResult first = await CliProcess.RunAsync(node.Addresses, ["publish", "--repo", RefusingNode.Repository, CommittedPath, "--transaction", id, .. node.Store.Arguments], Ct);
        Assert.Equal("unchanged", first.Document.GetProperty("status").GetString());
        await node.RefusesPublishAsync(
            new Refusal(1, "TransactionIdReused", id, id), [CommittedPath, "--profile", "default", "--transaction", id, .. node.Store.Arguments]);
    }

    [Fact]
    public Task A_transaction_id_older_than_what_is_remembered()
    {
        string id = Guid.CreateVersion7(DateTimeOffset.UtcNow - TimeSpan.FromDays(8)).ToString();
        return node.RefusesPublishAsync(new Refusal(1, "TransactionTooOld", id, id), [CommittedPath, "--transaction", id, .. node.Store.Arguments]);
    }

    [Fact]
    public Task A_transaction_id_from_the_future()
    {
        string id = Guid.CreateVersion7(DateTimeOffset.UtcNow + TimeSpan.FromHours(2)).ToString();
        return node.RefusesPublishAsync(new Refusal(1, "InvalidTransactionId", id, id, "later than"), [CommittedPath, "--transaction", id, .. node.Store.Arguments]);
    }

    [Fact]
    public async Task A_transaction_id_that_is_none()
    {
        ServedState before = ServedState.Read(node.Data, RefusingNode.Repository);
        CliResult result = await CliProcess.RunAsync(
            node.Addresses, ["publish", "--repo", RefusingNode.Repository, CommittedPath, "--transaction", Guid.NewGuid().ToString(), .. node.Store.Arguments], Ct);
        Assert.Equal(2, result.ExitCode);
        new Refusal(2, "CommandLine", "publish", "--transaction").Check(result.Lines.Single().GetProperty("error"));
        before.AssertUnchanged(node.Data, RefusingNode.Repository);
    }

    [Fact]
    public async Task A_directory_with_more_entries_than_a_catalog_takes()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "half a million files take a minute to make and to read; HostileTreeTests sends as many");
        var store = new SyntheticStore(node.NewFolder("many"));
        StorePathName name = StorePathName.Create(new byte[StorePathName.HashSize], "many");
        string disk = store.Root + SyntheticStore.FullPath(name);
        Directory.CreateDirectory(disk);
        for (int i = 0; i <= TreeLimits.EntriesMax; i++)
            File.CreateSymbolicLink(Path.Combine(disk, $"{i:x}"), "x");
        // The tree is counted before it is hashed, so the registration's hash does not matter.
        using (var writer = new StreamWriter(store.RegistrationFile))
            Registration.Write(writer, StoreDirectory.Default, [node.Committed with { Path = name }]);
        await node.RefusesPublishAsync(new Refusal(1, "InvalidTree", name.Value, $"more than {TreeLimits.EntriesMax} "), [SyntheticStore.FullPath(name), .. store.Arguments]);
    }
}
