using System.Globalization;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>The catalog of all store paths is large and new with each revision; what of it did not change does not travel again.</summary>
[Collection(MirrorCollection.Name)]
public sealed class HotCatalogTests(MirrorSites sites, ITestOutputHelper output)
{
    private const int PathsOfAPublish = 1000;

    private static int Present => BuiltPrograms.FullSize ? 50_000 : 1000;

    private static int Publishes => BuiltPrograms.FullSize ? 5 : 2;

    // A megabyte at full size; the catalog of the short run is smaller than that.
    private static long BytesMax => BuiltPrograms.FullSize ? 1_000_000 : 120_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public Task A_publish_of_ten_files_moves_little_when_many_paths_are_present() => MirrorRun.RunAsync(
        sites,
        "hot",
        builders: false,
        output,
        async run =>
        {
            // To read such catalogs anew many times a second would be all that this machine does.
            await run.Watcher.EndAsync();
            SyntheticStore store = await run.ManyAsync(Present, Ct);
            await run.PublishEachAsync(store, [.. store.Paths.Chunk(PathsOfAPublish)], Ct);
            ulong full = await run.HeadAsync(Ct);
            await run.EverywhereAsync(full, "all", Ct);
            (string catalog, long catalogBytes) = run.LargestCatalog(sites.Nodes.Nodes[0]);
            run.Transcript.Add($"{Present} paths are present at revision {full}; the largest catalog, {catalog}, has {catalogBytes} bytes");
            for (int i = 0; i < Publishes; i++)
            {
                (long Near, long Far) before = (sites.Network.Carried(MirrorSites.Core, MirrorSites.Near), sites.Network.Carried(MirrorSites.Core, MirrorSites.Far));
                ulong revision = await run.PublishLargeAsync(10, 400, Ct);
                await run.EverywhereAsync(revision, "all", Ct);
                long near = sites.Network.Carried(MirrorSites.Core, MirrorSites.Near) - before.Near;
                long far = sites.Network.Carried(MirrorSites.Core, MirrorSites.Far) - before.Far;
                run.Transcript.Add(string.Create(CultureInfo.InvariantCulture, $"10 files more: {near} bytes to the near site, {far} to the far one, two mirrors each"));
                Assert.InRange(near, 1, BytesMax);
                Assert.InRange(far, 1, BytesMax);
            }
        },
        Ct);
}
