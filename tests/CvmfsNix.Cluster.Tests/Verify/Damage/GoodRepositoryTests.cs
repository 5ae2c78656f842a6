using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Tests.Cvmfs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>The repository that damages are made in, as a client sees it.</summary>
public sealed class GoodRepositoryTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_reads_every_file_of_it()
    {
        using var repository = new DamageableRepository();
        await using RepositoryReader reader = await RepositoryReader.OpenAsync(
            new DirectorySource(repository.Folder),
            [repository.MasterPublicKeyPem],
            new RepositoryReaderOptions { ExpectedName = DamageableRepository.Name, Clock = new FixedClock(DamageableRepository.Now) },
            Ct);
        var read = new Dictionary<string, long>();
        await foreach (CatalogEntry entry in reader.WalkAsync(RepositoryPath.Root, includeHidden: true, cancellationToken: Ct))
        {
            long size = 0;
            if (entry is { Type: EntryType.Regular, IsExternal: false })
            {
                using var content = new MemoryStream();
                await reader.CopyToAsync(entry, content, Ct);
                size = content.Length;
                Assert.Equal(entry.Size, size);
            }

            read.Add(entry.Path.ToString(), size);
        }

        // Each transition point is walked once.
        Assert.Equal(26, read.Count);
        Assert.Equal(3000, read["/data/big"]);
        Assert.Equal(10, read["/data/deep/bin/run"]);
        Assert.Equal(["trunk", "v1"], (await reader.TagsAsync(Ct)).Select(t => t.Name));
    }
}
