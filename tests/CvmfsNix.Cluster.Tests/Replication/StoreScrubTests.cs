using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Scrubbing;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Replication;

public sealed class StoreScrubTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Damaged_and_missing_files_are_found_and_fetched_from_another_copy()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("a", files: 20);
        await origin.PublishAsync(Cancel, path);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        replica.Serve(origin.Revisions[^1]);
        ObjectName[] objects = [.. path.Objects.Keys.Take(3)];
        var catalog = new ObjectName(origin.Head.StoreCatalog, ObjectKind.Catalog);
        string record = origin.Revisions[^1].DeltaDigest;
        foreach (string file in (string[])[objects[0].RelativePath, catalog.RelativePath])
            Spoil(Path.Combine(replica.RepositoryFolder, file));
        Spoil(Path.Combine(replica.Store.Layout.BlobsFolder(TestRepository.Name), record[..2], record));
        replica.Store.Objects.Delete(objects[1]);

        ScrubResult result = await Scrub(replica).RunAsync(0, null, Cancel);

        Assert.Equal(new[] { objects[0].ToString(), catalog.ToString(), record }.Order(), result.Damaged.Order());
        Assert.Equal([objects[1].ToString()], result.Missing);
        Assert.Equal(result.Damaged.Concat(result.Missing).Order(), result.Repaired.Order());
        Assert.Null(result.Problem);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        ScrubResult again = await Scrub(replica).RunAsync(long.MaxValue / 2, null, Cancel);
        Assert.Empty(again.Damaged);
        Assert.Empty(again.Missing);
        Assert.Equal(result.Items + 1, again.Items);
    }

    [Fact]
    public async Task What_nobody_else_has_is_told_and_not_served_damaged()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("a", files: 20);
        await origin.PublishAsync(Cancel, path);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        replica.Serve(origin.Revisions[^1]);
        ObjectName lost = path.Objects.Keys.First();
        Spoil(Path.Combine(replica.RepositoryFolder, lost.RelativePath));
        origin.Store.Objects.Delete(lost);

        ScrubResult result = await Scrub(replica).RunAsync(0, null, Cancel);

        Assert.Equal([lost.ToString()], result.Damaged);
        Assert.Empty(result.Repaired);
        Assert.Contains(lost.ToString(), result.Problem, StringComparison.Ordinal);
        Assert.False(replica.Has(lost));
    }

    private static StoreScrub Scrub(Replica replica) => new(replica.Store, replica.Sources, Replica.Limits, TimeProvider.System);

    private static void Spoil(string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 0x10;
        File.WriteAllBytes(file, bytes);
    }
}
