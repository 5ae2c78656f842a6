using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Following;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Replication;

public sealed class StockFollowerTests
{
    private const string Golden = "golden.example.org";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string GoldenFolder => TestData.Path(Path.Combine("golden-cvmfs", Golden));

    private static string GoldenKey => File.ReadAllText(TestData.Path(Path.Combine("golden-cvmfs", Golden + ".pub")));

    [Fact]
    public async Task The_golden_repository_is_followed_object_for_object()
    {
        await using var server = new StaticServer(GoldenFolder);
        using var folder = new Following(Golden, GoldenKey, server.Url);

        StockFollowResult result = await folder.Follower.SyncAsync(null, Cancel);

        Assert.True(result.Changed);
        // Tag databases that were replaced lie on the Stratum 0 until its collection, and nothing that a replica serves names them.
        string newest = Manifest.ParseSigned(await File.ReadAllBytesAsync(Path.Combine(GoldenFolder, ".cvmfspublished"), Cancel)).Manifest.History.ToString() + "H";
        string[] expected = [.. Replica.ObjectsIn(GoldenFolder).Where(n => n[^1] != 'H' || n == newest)];
        Assert.Equal(expected.Order(StringComparer.Ordinal), Replica.ObjectsIn(folder.Repository).Order(StringComparer.Ordinal));
        foreach (string name in expected)
        {
            string file = Path.Combine("data", name[..2], name[2..]);
            Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(GoldenFolder, file), Cancel), await File.ReadAllBytesAsync(Path.Combine(folder.Repository, file), Cancel));
        }

        foreach (string named in (string[])[".cvmfspublished", ".cvmfswhitelist"])
            Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(GoldenFolder, named), Cancel), await File.ReadAllBytesAsync(Path.Combine(folder.Repository, named), Cancel));
        Assert.True(File.Exists(Path.Combine(folder.Repository, ".cvmfs_master_replica")));
        Assert.Equal(expected.Length, result.ObjectsFetched);
        Assert.False((await folder.Follower.SyncAsync(null, Cancel)).Changed);
    }

    [Theory]
    [InlineData(HashAlgorithmId.Sha1)]
    [InlineData(HashAlgorithmId.Shake128)]
    public async Task Each_revision_is_followed_with_what_is_new_in_it(HashAlgorithmId algorithm)
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel, algorithm);
        await using var server = new StaticServer(origin.RepositoryFolder);
        using var folder = new Following(TestRepository.Name, origin.Keys.MasterPublicKeyPem, server.Url);
        for (int i = 0; i < 3; i++)
        {
            await origin.PublishAsync(Cancel, SyntheticPath.Package($"p{i}", files: 12, algorithm: algorithm), SyntheticPath.Of($"r{i}", SyntheticTree.File(new string((char)('a' + i), 300_000), chunkSize: 100_000, compressed: false), algorithm: algorithm));
            server.Asked.Clear();
            StockFollowResult result = await folder.Follower.SyncAsync(null, Cancel);
            Assert.Equal((true, origin.Head.Revision), (result.Changed, result.Revision));
            Assert.Equal(server.Asked.Distinct().Count(), server.Asked.Count);
            VerifyReport report = await RepositoryVerifier.RunAsync(new DirectorySource(folder.Repository), [origin.Keys.MasterPublicKeyPem], new VerifyOptions { Deep = true }, null, Cancel);
            Assert.Empty(report.Findings);
        }
    }

    [Fact]
    public async Task A_renewed_whitelist_alone_is_served_and_servers_that_are_behind_change_nothing()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using var server = new StaticServer(origin.RepositoryFolder);
        using var folder = new Following(TestRepository.Name, origin.Keys.MasterPublicKeyPem, server.Url);
        byte[] first = await File.ReadAllBytesAsync(Path.Combine(origin.RepositoryFolder, ".cvmfspublished"), Cancel);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await folder.Follower.SyncAsync(null, Cancel);

        byte[] renewed = new Whitelist { CreatedAt = origin.Now, ExpiresAt = origin.Now.AddDays(90), RepositoryName = TestRepository.Name, Fingerprints = [origin.Keys.Certificate.Fingerprint()] }.Sign(origin.Keys.MasterKey!);
        await File.WriteAllBytesAsync(Path.Combine(origin.RepositoryFolder, ".cvmfswhitelist"), renewed, Cancel);
        Assert.True((await folder.Follower.SyncAsync(null, Cancel)).Changed);
        Assert.Equal(renewed, await File.ReadAllBytesAsync(Path.Combine(folder.Repository, ".cvmfswhitelist"), Cancel));

        await File.WriteAllBytesAsync(Path.Combine(origin.RepositoryFolder, ".cvmfspublished"), first, Cancel);
        Assert.Equal((false, 2ul), ((await folder.Follower.SyncAsync(null, Cancel)) is var behind ? (behind.Changed, behind.Revision) : default));
        Assert.NotEqual(first, await File.ReadAllBytesAsync(Path.Combine(folder.Repository, ".cvmfspublished"), Cancel));
    }

    [Fact]
    public async Task Nothing_is_served_while_an_object_is_missing_and_another_server_may_have_it()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("a", files: 12);
        await origin.PublishAsync(Cancel, path);
        ObjectName lost = path.Objects.Keys.First();
        byte[] bytes = path.Objects[lost];
        origin.Store.Objects.Delete(lost);
        await using var server = new StaticServer(origin.RepositoryFolder);
        using var second = new StoreCopy(origin.RepositoryFolder);
        await using var other = new StaticServer(second.Path);
        using var folder = new Following(TestRepository.Name, origin.Keys.MasterPublicKeyPem, server.Url, other.Url);

        var refused = await Assert.ThrowsAsync<ReplicationException>(() => folder.Follower.SyncAsync(null, Cancel));
        Assert.Equal(ReplicationFailure.SourcesLack, refused.Failure);
        Assert.False(File.Exists(Path.Combine(folder.Repository, ".cvmfspublished")));

        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(second.Path, lost.RelativePath))!);
        await File.WriteAllBytesAsync(Path.Combine(second.Path, lost.RelativePath), bytes, Cancel);
        Assert.True((await folder.Follower.SyncAsync(null, Cancel)).Changed);
    }

    [Fact]
    public async Task Another_key_and_servers_that_are_down_are_said()
    {
        await using var server = new StaticServer(GoldenFolder);
        using var wrong = new Following(Golden, RepositoryKeys.Create(Golden, DateTimeOffset.UtcNow).MasterPublicKeyPem, server.Url);
        Assert.Equal(ReplicationFailure.NotTrusted, (await Assert.ThrowsAsync<ReplicationException>(() => wrong.Follower.SyncAsync(null, Cancel))).Failure);
        using var other = new Following("other.example.org", GoldenKey, server.Url);
        Assert.Equal(ReplicationFailure.NotTrusted, (await Assert.ThrowsAsync<ReplicationException>(() => other.Follower.SyncAsync(null, Cancel))).Failure);
        server.Broken = true;
        using var down = new Following(Golden, GoldenKey, server.Url, new Uri("http://127.0.0.1:9"));
        Assert.Equal(ReplicationFailure.SourcesUnreachable, (await Assert.ThrowsAsync<ReplicationException>(() => down.Follower.SyncAsync(null, Cancel))).Failure);
    }

    private sealed class Following : IDisposable
    {
        private readonly string _top = Directory.CreateTempSubdirectory("cvmfsnix-follow-").FullName;

        public Following(string repository, string key, params Uri[] urls) => Follower = new StockFollower(
            new StockFollowOptions
            {
                Repository = repository,
                RepositoryUrls = urls,
                MasterPublicKeyPems = [key],
                RepositoryFolder = Repository,
                WorkFolder = Path.Combine(_top, "work"),
                WithHistory = true,
            },
            Replica.Limits,
            TimeProvider.System);

        public string Repository => Path.Combine(_top, "cvmfs");

        public StockFollower Follower { get; }

        public void Dispose()
        {
            Follower.Dispose();
            Directory.Delete(_top, recursive: true);
        }
    }

    private sealed class StoreCopy : IDisposable
    {
        public StoreCopy(string folder)
        {
            foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            {
                string to = System.IO.Path.Combine(Path, System.IO.Path.GetRelativePath(folder, file));
                Directory.CreateDirectory(System.IO.Path.GetDirectoryName(to)!);
                File.Copy(file, to);
            }
        }

        public string Path { get; } = Directory.CreateTempSubdirectory("cvmfsnix-copy-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
