using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Journal;

/// <summary>The journal, the keys and the content-addressed files are the whole state; everything else is made from them again.</summary>
public sealed class JournalReplayTests(ITestOutputHelper output)
{
    private const string Repository = "replay.example.org";
    private static readonly string[] NamedFiles = [".cvmfspublished", ".cvmfswhitelist"];

    [Theory]
    [InlineData("stopped", Skip = "at full size only: every run replays the journal of a node that was killed", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    [InlineData("killed")]
    public async Task The_journal_alone_replays_to_the_same_root_hash_and_the_same_served_bytes(string end)
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        using var scratch = new Scratch("replay");
        var history = new HistoryLog();
        var store = new SyntheticStore(scratch["store"]);
        var builder = new Builder(Repository, store, history);
        var settings = new NodeSettings(scratch["data"]);
        CreatedRepository repository;
        RepositoryChecker checker;
        Dictionary<string, byte[]> before;
        (ulong Revision, string RootHash) head;
        await using (NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken))
        {
            repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, cancellationToken);
            checker = new RepositoryChecker(Repository, repository.PublicKey, history);
            PathInfo? below = null;
            for (int i = 0; i < 4; i++)
            {
                below = await store.AddAsync($"replay {i}", $"replay {i}", below is null ? [] : [below.Path], 1 + (i * 5), 4000, cancellationToken);
                store.Register();
                CliResult result = await builder.PublishAsync(node.Addresses, PlannedPublish.New(below.Path), cancellationToken);
                Assert.True(result.ExitCode == 0, result.Output + result.Errors);
            }

            await Deadline.UntilAsync(
                async () => (await checker.HeadAsync(node.Addresses.Http, cancellationToken)).Revision == history.HighestRevision,
                "the newest revision is served",
                cancellationToken);
            head = await checker.HeadAsync(node.Addresses.Http, cancellationToken);
            before = await FetchAsync(node.Addresses.Http, cancellationToken);
            if (end == "stopped")
                Assert.Equal(0, await node.StopAsync(cancellationToken));
            else
                await node.KillAsync();
        }

        foreach (string deleted in DeleteAllButTheState(settings.Data))
            output.WriteLine($"deleted {deleted}");

        await using NodeProcess again = await NodeProcess.StartAsync(settings, cancellationToken);
        Assert.Equal(head, await checker.HeadAsync(again.Addresses.Http, cancellationToken));
        Dictionary<string, byte[]> after = await FetchAsync(again.Addresses.Http, cancellationToken);
        Assert.All(before, f => Assert.Equal(f.Value, after[f.Key]));
        await checker.CheckEverythingAsync(again.Addresses.Http, cancellationToken);

        PathInfo more = await store.AddAsync("replay more", "replay more", [store.Paths[0].Path], 9, 4000, cancellationToken);
        store.Register();
        CliResult published = await builder.PublishAsync(again.Addresses, PlannedPublish.New(more.Path), cancellationToken);
        Assert.Equal(head.Revision + 1, published.Document.GetProperty("revision").GetUInt64());
        await checker.CheckEverythingAsync(again.Addresses.Http, cancellationToken);
    }

    /// <summary>Keeps the journal, the keys, the objects and the record files.</summary>
    private static IEnumerable<string> DeleteAllButTheState(string data)
    {
        string objects = Path.Combine("cvmfs", Repository, "data"), blobs = Path.Combine("meta", Repository, "blobs");
        foreach (string file in Directory.EnumerateFiles(data, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray())
        {
            string name = Path.GetRelativePath(data, file);
            if (name.StartsWith("journal.db", StringComparison.Ordinal) || name.StartsWith("keys/", StringComparison.Ordinal)
                || name.StartsWith(objects + "/", StringComparison.Ordinal) || name.StartsWith(blobs + "/", StringComparison.Ordinal))
                continue;
            File.Delete(file);
            yield return name;
        }
    }

    private static async Task<Dictionary<string, byte[]>> FetchAsync(string http, CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        var files = new Dictionary<string, byte[]>();
        foreach (string name in NamedFiles)
            files[name] = await client.GetByteArrayAsync(new Uri($"{http}/cvmfs/{Repository}/{name}"), cancellationToken);
        return files;
    }
}
