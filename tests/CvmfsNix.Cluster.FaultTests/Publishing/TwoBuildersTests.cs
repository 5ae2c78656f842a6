using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Publishing;

/// <summary>Two builders finish at once, and half of what they built is the same.</summary>
public sealed class TwoBuildersTests(ITestOutputHelper output)
{
    private const string Repository = "pair.example.org";
    private const int Rounds = 5;
    private const int SharedPaths = 6;
    private const int OwnPaths = 4;

    [Fact]
    public async Task Overlapping_closures_published_at_once_make_one_history_with_each_path_once()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        using var scratch = new Scratch("pair");
        await using NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]), cancellationToken);
        CreatedRepository repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, cancellationToken);
        var history = new HistoryLog();
        history.Saw(repository.Revision, repository.RootHash);
        var checker = new RepositoryChecker(Repository, repository.PublicKey, history);
        var store = new SyntheticStore(scratch["store"]);
        var builder = new Builder(Repository, store, history);

        for (int round = 0; round < Rounds; round++)
        {
            int pathsBefore = store.Paths.Count;
            PlannedPublish[] publishes = await PlanAsync(store, round, cancellationToken);
            CliResult[] results = await Task.WhenAll(publishes.Select(p => builder.PublishAsync(node.Addresses, p, cancellationToken)));
            Assert.All(results, r => Assert.True(r.ExitCode == 0, r.Output + r.Errors));
            JsonElement[] answers = [.. results.Select(r => r.Document)];
            Assert.All(answers, a => Assert.Equal("committed", a.GetProperty("status").GetString()));
            Assert.Equal(store.Paths.Count - pathsBefore, answers.Sum(a => a.GetProperty("pathsNew").GetInt32()));
            ulong head = await checker.CheckEverythingAsync(node.Addresses.Http, cancellationToken);
            history.CheckEveryRevisionIsSomebodys(head);
            output.WriteLine($"round {round}: revisions {string.Join(" and ", answers.Select(a => a.GetProperty("revision").GetUInt64()))}, head {head}");
        }
    }

    /// <summary>Two roots over the same chain of shared paths, each with a few paths of its own.</summary>
    private static async Task<PlannedPublish[]> PlanAsync(SyntheticStore store, int round, CancellationToken cancellationToken)
    {
        PathInfo shared = await MakeAsync("shared 0", null);
        for (int i = 1; i < SharedPaths; i++)
            shared = await MakeAsync($"shared {i}", shared);
        var publishes = new List<PlannedPublish>();
        foreach (string name in (string[])["first", "second"])
        {
            PathInfo own = shared;
            for (int i = 0; i < OwnPaths; i++)
                own = await MakeAsync($"{name} {i}", own);
            publishes.Add(PlannedPublish.New(own.Path));
        }

        store.Register();
        return [.. publishes];

        Task<PathInfo> MakeAsync(string name, PathInfo? reference)
        {
            string identity = $"{BuiltPrograms.Seed} {round} {name}";
            return store.AddAsync(identity, identity, reference is null ? [] : [reference.Path], files: 10, fileBytesMax: 2000, cancellationToken);
        }
    }
}
