using System.Net;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Reading;

public class TrustTests
{
    private static readonly Lazy<RepositoryKeys> Others = new(() => RepositoryKeys.Create(Golden.Name, Golden.Now));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("2036-11-19T12:59:59Z", null)]
    [InlineData("2036-11-19T13:00:00Z", TrustStep.WhitelistExpiry)]
    public async Task An_expired_whitelist_is_refused_by_the_hour(string now, TrustStep? step) =>
        Assert.Equal(step, await FailedStepAsync(new Dictionary<string, byte[]>(), Golden.Options() with { Clock = new FixedClock(DateTimeOffset.Parse(now)) }));

    [Fact]
    public async Task Another_repository_than_expected_is_refused() =>
        Assert.Equal(TrustStep.ManifestName, await FailedStepAsync([], Golden.Options() with { ExpectedName = "other.example.org" }));

    [Fact]
    public async Task A_whitelist_of_another_repository_is_refused() =>
        Assert.Equal(TrustStep.WhitelistName, await FailedStepAsync(new() { [".cvmfswhitelist"] = ByOthers(Golden.Whitelist().Whitelist with { RepositoryName = "other.example.org" }) }));

    [Fact]
    public async Task A_whitelist_signed_by_another_key_is_refused() =>
        Assert.Equal(TrustStep.WhitelistSignature, await FailedStepAsync(new() { [".cvmfswhitelist"] = ByOthers(Golden.Whitelist().Whitelist) }));

    [Fact]
    public async Task A_whitelist_signed_like_a_manifest_is_refused()
    {
        var whitelist = Golden.Whitelist();
        var signature = Others.Value.MasterKey!.SignData(
            System.Text.Encoding.ASCII.GetBytes(whitelist.PrintedHash.ToString()), System.Security.Cryptography.HashAlgorithmName.SHA1, System.Security.Cryptography.RSASignaturePadding.Pkcs1);
        byte[] file = [.. whitelist.Bytes[..^whitelist.Signature.Length].Span, .. signature];
        Assert.Equal(TrustStep.WhitelistSignature, await FailedStepAsync(new() { [".cvmfswhitelist"] = file }, key: Others.Value.MasterPublicKeyPem));
    }

    [Fact]
    public async Task A_certificate_that_is_not_listed_is_refused() =>
        Assert.Equal(TrustStep.CertificateListed, await FailedStepAsync(
            new() { [".cvmfswhitelist"] = ByOthers(Golden.Whitelist().Whitelist with { Fingerprints = [Others.Value.Certificate.Fingerprint()] }) }, key: Others.Value.MasterPublicKeyPem));

    [Theory]
    [InlineData(".cvmfspublished", 3, TrustStep.Certificate, "X")]
    [InlineData(".cvmfspublished", 1, TrustStep.ManifestSignature, "S")]
    [InlineData(".cvmfspublished", -1, TrustStep.ManifestSignature, null)]
    [InlineData(".cvmfswhitelist", 0, TrustStep.WhitelistSignature, null)]
    [InlineData(".cvmfswhitelist", -1, TrustStep.WhitelistSignature, null)]
    public async Task A_changed_byte_is_refused_where_it_matters(string file, int at, TrustStep step, string? key)
    {
        var bytes = Golden.Bytes(file);
        var start = key is null ? 0 : bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes("\n" + key)) + 1;
        bytes[at < 0 ? bytes.Length + at : start + at] ^= 1;
        Assert.Equal(step, await FailedStepAsync(new() { [file] = bytes }));
    }

    [Fact]
    public async Task A_changed_or_missing_certificate_or_whitelist_is_refused()
    {
        var path = new ObjectName(Golden.Manifest().Manifest.Certificate, ObjectKind.Certificate).RelativePath;
        Assert.Equal(TrustStep.Certificate, await FailedStepAsync(new() { [path] = Golden.Bytes(path)[..^1] }));
        Assert.Equal(TrustStep.Certificate, await FailedStepAsync(new() { [path] = [] }, missing: path));
        Assert.Equal(TrustStep.WhitelistFormat, await FailedStepAsync([], missing: ".cvmfswhitelist"));
        Assert.Equal(TrustStep.WhitelistFormat, await FailedStepAsync(new() { [".cvmfswhitelist"] = "junk"u8.ToArray() }));
        Assert.Equal(TrustStep.ManifestFormat, await FailedStepAsync(new() { [".cvmfspublished"] = "junk"u8.ToArray() }));
        await Assert.ThrowsAsync<RepositoryNotFoundException>(() => FailedStepAsync([], missing: ".cvmfspublished"));
        Assert.Equal(TrustStep.Tag, await FailedStepAsync([], Golden.Options("nosuch")));
    }

    [Fact]
    public async Task Objects_that_are_changed_cut_extended_or_missing_are_told_apart()
    {
        foreach (var file in new[] { "/README.md", "/files/big-3MiB.bin" })
        {
            var name = await FirstObjectAsync(file);
            var good = Golden.Bytes(name.RelativePath);
            var changed = good.ToArray();
            changed[good.Length / 2] ^= 4;
            foreach (var bad in new[] { changed, good[..^1], [.. good, 0], [] })
            {
                var failure = await Assert.ThrowsAsync<ObjectCorruptException>(() => ReadAsync(file, new() { [name.RelativePath] = bad }));
                Assert.Equal(name, failure.Name);
            }

            Assert.Equal(name, (await Assert.ThrowsAsync<ObjectMissingException>(() => ReadAsync(file, [], name.RelativePath))).Name);
        }
    }

    [Fact]
    public async Task A_changed_or_missing_catalog_is_told()
    {
        var root = new ObjectName(Golden.Manifest().Manifest.RootHash, ObjectKind.Catalog);
        var bytes = Golden.Bytes(root.RelativePath);
        bytes[100] ^= 1;
        await Assert.ThrowsAsync<ObjectCorruptException>(() => ReadAsync("/README.md", new() { [root.RelativePath] = bytes }));
        await Assert.ThrowsAsync<ObjectMissingException>(() => ReadAsync("/README.md", [], root.RelativePath));
    }

    [Fact]
    public async Task A_size_other_than_the_recorded_one_is_corrupt()
    {
        using var source = new AlteredSource([], null);
        await using var reader = await RepositoryReader.OpenAsync(source, [Golden.PublicKey], Golden.Options(), Cancel);
        var entry = (await reader.FindAsync(RepositoryPath.Parse("/README.md"), Cancel))!;
        foreach (var size in new[] { entry.Size - 1, entry.Size + 1 })
        {
            await Assert.ThrowsAsync<ObjectCorruptException>(() => reader.CopyToAsync(entry with { Size = size }, Stream.Null, Cancel));
        }

        await Assert.ThrowsAsync<RepositoryPathException>(() => reader.CopyToAsync(entry with { Flags = entry.Flags | CatalogFlags.External }, Stream.Null, Cancel));
        await Assert.ThrowsAsync<RepositoryPathException>(async () => await reader.OpenFileAsync((await reader.FindAsync(RepositoryPath.Root, Cancel))!, Cancel));
    }

    [Fact]
    public async Task Http_absence_refusal_and_silence_are_told_apart()
    {
        using var server = new FolderServer(Golden.Folder, path => path switch { "broken" => 503, "moved" => 302, "forbidden" => 403, _ => null });
        using var source = new HttpSource(server.Url);
        Assert.Null(await source.OpenAsync("nosuch", Cancel));
        Assert.False(await source.ExistsAsync("nosuch", Cancel));
        Assert.True(await source.ExistsAsync(".cvmfs_master_replica", Cancel));
        Assert.Contains(server.Requests, r => r.Method == "HEAD");
        foreach (var (path, code) in new[] { ("broken", HttpStatusCode.ServiceUnavailable), ("moved", HttpStatusCode.Found), ("forbidden", HttpStatusCode.Forbidden) })
        {
            var failure = await Assert.ThrowsAsync<RepositoryUnreachableException>(() => source.OpenAsync(path, Cancel));
            Assert.Contains(((int)code).ToString(), failure.Message, StringComparison.Ordinal);
            Assert.Contains(server.Url + path, failure.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<RepositoryUnreachableException>(() => source.ExistsAsync(path, Cancel));
        }

        var url = server.Url;
        server.Dispose();
        using var nobody = new HttpSource(url);
        await Assert.ThrowsAsync<RepositoryUnreachableException>(() => RepositoryReader.OpenAsync(nobody, [Golden.PublicKey], Golden.Options(), Cancel));
    }

    [Fact]
    public async Task An_http_server_that_accepts_and_stays_silent_is_unreachable()
    {
        using var silent = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var source = new HttpSource(new Uri($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/cvmfs/x"), timeout: TimeSpan.FromMilliseconds(50));
        Assert.Contains("did not answer", (await Assert.ThrowsAsync<RepositoryUnreachableException>(() => source.OpenAsync("y", Cancel))).Message);
    }

    [Fact]
    public async Task A_folder_does_not_give_what_lies_outside()
    {
        using var source = new DirectorySource(Golden.Folder);
        await Assert.ThrowsAsync<ArgumentException>(() => source.OpenAsync("../README.md", Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => source.OpenAsync("/etc/hostname", Cancel));
        Assert.Null(await source.OpenAsync("data/zz/none", Cancel));
    }

    private static byte[] ByOthers(Whitelist whitelist) => whitelist.Sign(Others.Value.MasterKey!);

    private static async Task<TrustStep?> FailedStepAsync(Dictionary<string, byte[]> changes, RepositoryReaderOptions? options = null, string? missing = null, string? key = null)
    {
        using var source = new AlteredSource(changes, missing);
        try
        {
            await using var reader = await RepositoryReader.OpenAsync(source, [key ?? Golden.PublicKey], options ?? Golden.Options(), Cancel);
            return null;
        }
        catch (RepositoryTrustException e)
        {
            return e.Step;
        }
    }

    private static async Task ReadAsync(string path, Dictionary<string, byte[]> changes, string? missing = null)
    {
        using var source = new AlteredSource(changes, missing);
        await using var reader = await RepositoryReader.OpenAsync(source, [Golden.PublicKey], Golden.Options(), Cancel);
        var entry = await reader.FindAsync(RepositoryPath.Parse(path), Cancel);
        await reader.CopyToAsync(entry!, Stream.Null, Cancel);
    }

    private static async Task<ObjectName> FirstObjectAsync(string path)
    {
        using var source = new DirectorySource(Golden.Folder);
        await using var reader = await RepositoryReader.OpenAsync(source, [Golden.PublicKey], Golden.Options(), Cancel);
        var entry = (await reader.FindAsync(RepositoryPath.Parse(path), Cancel))!;
        return entry.Chunks.Count > 0 ? new ObjectName(entry.Chunks[^1].Hash, ObjectKind.Chunk) : new ObjectName(entry.Hash!.Value, ObjectKind.Data);
    }

    /// <summary>The golden repository with some files changed and one taken away.</summary>
    private sealed class AlteredSource(Dictionary<string, byte[]> changes, string? missing) : IRepositorySource
    {
        private readonly DirectorySource _inner = new(Golden.Folder);

        public string Description => "an altered copy";

        public Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken) =>
            relativePath == missing ? Task.FromResult<Stream?>(null)
            : changes.TryGetValue(relativePath, out var bytes) ? Task.FromResult<Stream?>(new MemoryStream(bytes))
            : _inner.OpenAsync(relativePath, cancellationToken);

        public Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken) => throw new NotSupportedException();

        public void Dispose() => _inner.Dispose();
    }
}
