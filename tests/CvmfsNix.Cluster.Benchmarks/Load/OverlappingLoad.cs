using System.Collections.Concurrent;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>
/// Many builders at once, each with one publish after the other. A publish has a path of its own (10 files in 3 directories, with a catalog) and
/// one that the builders beside it publish at the same time (3 files, without).
/// </summary>
internal static class OverlappingLoad
{
    /// <summary>Builders that publish the same path at the same moment.</summary>
    private const int Sharing = 8;

    private const int OwnFiles = 10;
    private const int SharedFiles = 3;

    /// <summary>What one builder publishes, in order.</summary>
    public static IEnumerable<LoadPublish> Of(string repository, string run, int builder, int publishes)
    {
        for (int i = 0; i < publishes; i++)
        {
            SyntheticPath shared = SyntheticPath.Package($"shared-{run}-{builder / Sharing}-{i}", SharedFiles);
            yield return new LoadPublish(repository, shared, SyntheticPath.Package($"own-{run}-{builder}-{i}", OwnFiles, references: [shared.Path]));
        }
    }

    /// <summary>Runs all builders to their end.</summary>
    /// <returns>All answers, of as many publishes as there were.</returns>
    public static async Task<IReadOnlyList<LoadAnswer>> RunAsync(
        BuilderPool pool, string repository, string run, int builders, int publishes, CancellationToken cancellationToken)
    {
        LoadPublish[][] planned = [.. Enumerable.Range(0, builders).Select(b => Of(repository, run, b, publishes).ToArray())];
        var answers = new ConcurrentBag<LoadAnswer>();
        await Task.WhenAll(planned.Select((own, b) => Task.Run(
            async () =>
            {
                LoadBuilder builder = pool.Builder($"builder-{b}");
                foreach (LoadPublish publish in own)
                    answers.Add(await builder.PublishAsync(publish, cancellationToken));
            },
            cancellationToken)));
        return [.. answers];
    }
}
