using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Publishing;

/// <summary>A build that is not reproducible gives the same store path another content.</summary>
public sealed class RebuildTests
{
    private const string Repository = "rebuild.example.org";

    [Fact]
    public async Task The_first_content_stays_and_the_builder_is_told_unless_it_wants_to_be_refused()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        using var scratch = new Scratch("rebuild");
        await using NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]), cancellationToken);
        CreatedRepository repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, cancellationToken);
        var history = new HistoryLog();
        var checker = new RepositoryChecker(Repository, repository.PublicKey, history);

        (SyntheticStore first, PathInfo built, _) = await MakeStoreAsync(scratch["first"], "as built first", cancellationToken);
        CliResult original = await new Builder(Repository, first, history).PublishAsync(node.Addresses, PlannedPublish.New(built.Path), cancellationToken);
        Assert.True(original.ExitCode == 0, original.Output + original.Errors);

        (SyntheticStore second, PathInfo rebuilt, PathInfo user) = await MakeStoreAsync(scratch["second"], "as built again", cancellationToken);
        Assert.Equal(built.Path, rebuilt.Path);
        Assert.NotEqual(built.NarHash, rebuilt.NarHash);
        var builder = new Builder(Repository, second, new HistoryLog());

        CliResult refused = await builder.PublishAsync(node.Addresses, PlannedPublish.New(user.Path), cancellationToken, "--conflict", "refuse");
        Assert.Equal(1, refused.ExitCode);
        Assert.Equal("StorePathConflict", refused.Lines.Single().GetProperty("error").GetProperty("code").GetString());
        await checker.CheckEverythingAsync(node.Addresses.Http, cancellationToken);

        // A path of its own rides along: it is published, on top of the content that was there first.
        CliResult kept = await builder.PublishAsync(node.Addresses, PlannedPublish.New(user.Path), cancellationToken);
        JsonElement answer = kept.Document;
        Assert.Equal("committed", answer.GetProperty("status").GetString());
        Assert.Equal([SyntheticStore.FullPath(built.Path)], answer.GetProperty("contentKept").EnumerateArray().Select(p => p.GetString()));
        history.Acknowledge(
            new Acknowledgement("the user of the rebuilt path", "committed", answer.GetProperty("revision").GetUInt64(), answer.GetProperty("rootHash").GetString()!),
            [user]);
        await checker.CheckEverythingAsync(node.Addresses.Http, cancellationToken);

        // The rebuild alone changes nothing and is no failure either.
        CliResult alone = await builder.PublishAsync(node.Addresses, PlannedPublish.New(rebuilt.Path), cancellationToken);
        Assert.Equal("unchanged", alone.Document.GetProperty("status").GetString());
        Assert.Equal([SyntheticStore.FullPath(built.Path)], alone.Document.GetProperty("contentKept").EnumerateArray().Select(p => p.GetString()));
        await checker.CheckEverythingAsync(node.Addresses.Http, cancellationToken);
    }

    private static async Task<(SyntheticStore Store, PathInfo Built, PathInfo User)> MakeStoreAsync(
        string folder, string content, CancellationToken cancellationToken)
    {
        var store = new SyntheticStore(folder);
        PathInfo built = await store.AddAsync("not reproducible", content, [], files: 4, fileBytesMax: 3000, cancellationToken);
        PathInfo user = await store.AddAsync("user of it", "user of it", [built.Path], files: 3, fileBytesMax: 3000, cancellationToken);
        store.Register();
        return (store, built, user);
    }
}
