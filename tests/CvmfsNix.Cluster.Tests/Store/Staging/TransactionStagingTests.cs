using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Trees;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Staging;

public sealed class TransactionStagingTests : IAsyncLifetime
{
    private const string Repository = "staging.example.org";
    private readonly StoreFolder _folder = new();
    private RepositoryStore _store = null!;
    private TransactionStaging _staging = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var format = new RepositoryFormat
        {
            Repository = Repository,
            StoreDirectory = StoreDirectory.Default,
            HashAlgorithm = HashAlgorithmId.Sha1,
            Certificate = new ObjectHash(HashAlgorithmId.Sha1, new byte[20]),
        };
        _store = await RepositoryStore.OpenAsync(new StoreLayout(_folder.Path), format, Token);
        _staging = new TransactionStaging(_store, Guid.CreateVersion7());
    }

    public async ValueTask DisposeAsync()
    {
        await _staging.DisposeAsync();
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Objects_of_a_pack_are_in_the_store_and_found_by_their_content()
    {
        (PackedObject Header, byte[] Stored)[] objects = [.. Enumerable.Range(0, 700).Select(i => Object($"content {i} {new string('x', i * 3)}")), Large()];
        StagedPack staged = await ReceiveAsync(objects);
        Assert.Equal((701L, 701, objects.Sum(o => o.Header.StoredSize)), (staged.Objects, staged.ObjectsNew, staged.BytesNew));
        Assert.All(objects, o => Assert.Equal(o.Header.StoredSize, _store.Objects.StoredSize(o.Header.Name)));
        StoredContent? found = _staging.FindContent([Digest("content 3 " + new string('x', 9)), Digest("unknown")])[0];
        Assert.Equal((19, CompressionAlgorithm.Zlib, objects[3].Header.Name.Hash), (found!.Size, found.Compression, found.Hash!.Value));
        Assert.Empty(found.Chunks);
        Assert.Null(_staging.FindContent([Digest("unknown")])[0]);
        StagedPack again = await ReceiveAsync(objects);
        Assert.Equal((701L, 0, 0L), (again.Objects, again.ObjectsNew, again.BytesNew));
        Assert.Equal((1402L, staged.BytesNew), (_staging.ObjectsReceived, _staging.BytesStored));
    }

    [Fact]
    public async Task Another_transaction_does_not_hear_of_what_is_not_committed()
    {
        await ReceiveAsync(Object("mine"));
        await using var other = new TransactionStaging(_store, Guid.CreateVersion7());
        Assert.NotNull(_staging.FindContent([Digest("mine")])[0]);
        Assert.Null(other.FindContent([Digest("mine")])[0]);
    }

    [Theory]
    [InlineData(ObjectKind.Catalog)]
    [InlineData(ObjectKind.History)]
    [InlineData(ObjectKind.Certificate)]
    [InlineData(ObjectKind.MetaInfo)]
    public async Task Objects_that_the_repository_makes_itself_are_refused_with_their_pack(ObjectKind kind)
    {
        (PackedObject Header, byte[] Stored) good = Object("good");
        (PackedObject Header, byte[] Stored) bad = Object("bad", kind);
        var error = await Assert.ThrowsAsync<StagingRejectedException>(() => ReceiveAsync(good, bad));
        Assert.Equal((StagingRejectionCodes.ForbiddenObject, bad.Header.Name.ToString()), (error.Code, error.What));
        Assert.False(_store.Objects.Contains(good.Header.Name));
        Assert.False(_store.Objects.Contains(bad.Header.Name));
        Assert.Null(_staging.FindContent([Digest("good")])[0]);
    }

    [Fact]
    public async Task Bytes_that_are_not_those_of_the_name_are_refused_small_and_large()
    {
        foreach ((PackedObject header, byte[] stored) in ((PackedObject, byte[])[])[Object("text"), Large()])
        {
            (PackedObject, byte[]) lying = (header with { Name = Object("something else").Header.Name }, stored);
            var error = await Assert.ThrowsAsync<StagingRejectedException>(() => ReceiveAsync(Object("good"), lying));
            Assert.Equal(StagingRejectionCodes.ObjectCorrupt, error.Code);
            Assert.Contains(header.Name.Hash.ToString(), error.Message, StringComparison.Ordinal);
            Assert.False(_store.Objects.Contains(Object("good").Header.Name));
        }
    }

    [Fact]
    public async Task What_does_not_inflate_to_what_its_header_says_is_refused()
    {
        (PackedObject header, byte[] stored) = Object("some text, some text");
        byte[] trailing = [.. stored, 0];
        byte[] torn = stored[..^1];
        await RefusedAsync((header with { PlainSize = header.PlainSize + 1 }, stored));
        await RefusedAsync((header with { PlainSize = header.PlainSize - 1 }, stored));
        await RefusedAsync((Named(header, trailing), trailing));
        await RefusedAsync((Named(header, torn), torn));
        byte[] noise = [.. Enumerable.Range(0, 400_000).Select(i => (byte)(i * 7))];
        await RefusedAsync((Named(header, noise), noise));
        await RefusedAsync((header with { Name = new ObjectName(new ObjectHash(HashAlgorithmId.Shake128, new byte[20]), ObjectKind.Data) }, stored));

        async Task RefusedAsync((PackedObject, byte[]) bad) =>
            Assert.Equal(StagingRejectionCodes.ObjectCorrupt, (await Assert.ThrowsAsync<StagingRejectedException>(() => ReceiveAsync(bad))).Code);
    }

    [Fact]
    public async Task A_truncated_pack_leaves_nothing()
    {
        byte[] pack = await PackAsync(Object("one"), Large());
        await Assert.ThrowsAsync<PackFormatException>(() => _staging.ReceivePackAsync(new DribbleStream(pack[..^20], 1000), Token));
        Assert.False(_store.Objects.Contains(Object("one").Header.Name));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.At($"cvmfs/{Repository}/data/txn")));
    }

    [Fact]
    public async Task Paths_are_sealed_in_order_with_everything_they_need()
    {
        await ReceiveAsync(Object("hello"), Object(""));
        await Parallel.ForEachAsync((string[])["zz", "aa", "mm"], Token, async (name, token) => await _staging.AddPathAsync(Path(name, 9), token));
        await _staging.AddPathAsync(Path("mm", 9), Token);
        var header = new BundleHeader(Repository, _staging.Transaction, ConflictPolicy.Keep, null, null);
        SealedBundle bundle = await _staging.SealAsync(header, Token);
        Assert.Equal(3, bundle.Paths);
        Assert.Equal(bundle.Size, _store.Blobs.Size(bundle.Digest));
        await using Stream stream = _store.Blobs.OpenRead(bundle.Digest)!;
        using var reader = new BundleReader(stream, HashAlgorithmId.Sha1, bundle.Digest);
        PathRecord[] records = [.. reader.Paths()];
        Assert.Equal(["aa", "mm", "zz"], records.Select(r => r.Info.Path.Name));
        Assert.All(records, r => Assert.NotNull(r.Nested));
        Assert.All(records, r => Assert.Empty(_store.Objects.FindMissing(r.Objects.Select(o => o.Name))));
        Assert.Equal(bundle, await _staging.SealAsync(header, Token));
    }

    [Fact]
    public async Task A_path_whose_object_was_deleted_meanwhile_is_not_sealed()
    {
        await ReceiveAsync(Object("hello"));
        await _staging.AddPathAsync(Path("aa", 2), Token);
        _store.Objects.Delete(Object("hello").Header.Name);
        var error = await Assert.ThrowsAsync<PathRejectedException>(
            () => _staging.SealAsync(new BundleHeader(Repository, _staging.Transaction, ConflictPolicy.Keep, null, null), Token));
        Assert.Equal(PathRejectionCodes.ObjectMissing, error.Code);
    }

    private static ContentDigest Digest(string content) => new(SHA256.HashData(Encoding.UTF8.GetBytes(content)));

    private static PackedObject Named(PackedObject header, byte[] stored) =>
        header with { Name = new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), header.Name.Kind), StoredSize = stored.Length };

    private static (PackedObject Header, byte[] Stored) Object(string content, ObjectKind kind = ObjectKind.Data)
    {
        byte[] plain = Encoding.UTF8.GetBytes(content);
        byte[] stored = ObjectCompression.Compress(plain, CompressionLevel.Fastest);
        return (new PackedObject(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), kind), CompressionAlgorithm.Zlib, stored.Length, plain.Length), stored);
    }

    // Above the size up to which objects are gathered in memory.
    private static (PackedObject Header, byte[] Stored) Large()
    {
        var plain = new byte[600_000];
        new Random(3).NextBytes(plain);
        byte[] stored = ObjectCompression.Compress(plain, CompressionLevel.Fastest);
        return (new PackedObject(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), ObjectKind.Chunk), CompressionAlgorithm.Zlib, stored.Length, plain.Length), stored);
    }

    private static async Task<byte[]> PackAsync(params (PackedObject Header, byte[] Stored)[] objects)
    {
        using var pack = new MemoryStream();
        var writer = new ObjectPackWriter(pack);
        foreach ((PackedObject header, byte[] stored) in objects)
            await writer.WriteAsync(header, stored, Token);
        await writer.FinishAsync(Token);
        return pack.ToArray();
    }

    private async Task<StagedPack> ReceiveAsync(params (PackedObject Header, byte[] Stored)[] objects) =>
        await _staging.ReceivePackAsync(new DribbleStream(await PackAsync(objects), 40_000, 3), Token);

    /// <summary>A path with so many files that all hold "hello".</summary>
    private static PathUpload Path(string name, int files)
    {
        (PackedObject header, _) = Object("hello");
        var content = new StoredContent(5, CompressionAlgorithm.Zlib, header.Name.Hash, []);
        using var archive = new NarHashBuilder();
        archive.BeginDirectory([]);
        List<TreeNode> children = [];
        for (int i = 0; i < files; i++)
        {
            byte[] fileName = Encoding.ASCII.GetBytes($"f{i:00}");
            archive.BeginFile(fileName, false, 5);
            archive.AppendFile("hello"u8);
            archive.EndFile();
            children.Add(new TreeNode { Kind = TreeNodeKind.Regular, Name = fileName, Digest = Digest("hello"), Content = content });
        }

        archive.EndDirectory();
        (NarHash hash, long size) = archive.Finish();
        return new PathUpload(
            new PathInfo { Path = StorePathName.Parse($"{new string('1', 32)}-{name}"), NarHash = hash, NarSize = size },
            new TreeNode { Kind = TreeNodeKind.Directory, Children = children });
    }
}
