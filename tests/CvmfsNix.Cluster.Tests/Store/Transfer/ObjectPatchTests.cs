using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Transfer;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Transfer;

public sealed class ObjectPatchTests
{
    private static readonly byte[] Flush = [0, 0, 0xff, 0xff];

    // Bytes in which flushes are frequent, as between deflate segments.
    private static readonly Gen<byte[]> Segments = Gen.OneOf(Gen.Byte.Array[0, 200], Gen.Const(Flush), Gen.Byte[0, 1].Array[0, 300]).Array[0, 12].Select(parts => parts.SelectMany(p => p).ToArray());

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static ObjectName NameOf(byte[] bytes) => new(ObjectHasher.Hash(HashAlgorithmId.Sha1, bytes), ObjectKind.Catalog);

    [Fact]
    public async Task A_patch_of_any_two_byte_strings_gives_the_second() =>
        await Gen.Select(Segments, Segments).SampleAsync(async (original, target) => Assert.Equal(target, await RoundTripAsync(original, target)));

    [Fact]
    public async Task A_patch_between_versions_that_share_pieces_gives_the_second() =>
        await Gen.Select(Segments.Array[1, 6], Gen.Int[0, 5].Array[0, 8]).SampleAsync(async (pieces, order) =>
        {
            byte[] original = [.. pieces.SelectMany(p => p.Concat(Flush))];
            byte[] target = [.. order.SelectMany(i => pieces[i % pieces.Length].Concat(Flush))];
            Assert.Equal(target, await RoundTripAsync(original, target));
        });

    [Fact]
    public void What_did_not_change_is_not_sent()
    {
        byte[] plain = Random(3_000_000);
        byte[] original = Compress(plain);
        plain[1_500_000] ^= 1;
        plain[100] ^= 1;
        byte[] target = Compress(plain);

        IReadOnlyList<PatchStep> steps = ObjectPatch.Make(original, target);

        // Two segments and the checksum.
        Assert.InRange(ObjectPatch.WireLength(steps), 1, 3 * SegmentedCompressor.SegmentSize);
        Assert.True(original.Length > 2_000_000);
    }

    [Fact]
    public async Task A_damaged_patch_is_an_error_or_other_bytes_never_a_crash()
    {
        byte[] original = [.. Random(300), .. Flush, .. Random(200), .. Flush], target = [.. original, 1, 2, 3];
        byte[] pack = await PackAsync(original, target);
        await Gen.Select(Gen.Int[0, pack.Length - 1], Gen.Byte).SampleAsync(async (at, value) =>
        {
            byte[] damaged = [.. pack];
            damaged[at] = value;
            try
            {
                await ReadAsync(damaged, original);
            }
            catch (PackFormatException)
            {
                // The one error there is.
            }
        });
        for (int length = 0; length < pack.Length; length++)
            await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(pack[..length], original));
    }

    [Fact]
    public async Task A_patch_that_reaches_beyond_its_base_or_its_size_is_refused()
    {
        byte[] original = Random(100);
        await Refused([new PatchStep(true, 50, 51)], 51);
        await Refused([new PatchStep(true, 0, 50)], 49);
        await Refused([new PatchStep(true, 0, 50)], 51);

        async Task Refused(PatchStep[] steps, long size)
        {
            using var pack = new MemoryStream();
            var writer = new ItemPackWriter(pack);
            await writer.WritePatchAsync(NameOf([]), size, new MemoryStream(), NameOf(original), steps, Cancel);
            await writer.FinishAsync(Cancel);
            await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(pack.ToArray(), original));
        }
    }

    [Fact]
    public async Task A_patch_of_what_is_not_here_is_refused()
    {
        byte[] pack = await PackAsync(Random(500), Random(100));
        using var reader = new ItemPackReader(new MemoryStream(pack), _ => null);
        await Assert.ThrowsAsync<PackFormatException>(async () => await reader.ReadAsync(Cancel));
        using var without = new ItemPackReader(new MemoryStream(pack));
        await Assert.ThrowsAsync<PackFormatException>(async () => await without.ReadAsync(Cancel));
    }

    [Fact]
    public async Task The_hot_catalog_of_a_small_publish_is_sent_as_a_small_patch()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nestedMinEntries: 100);
        for (int i = 0; i < 8; i++)
            await repository.PublishAsync(Cancel, [.. Enumerable.Range(0, 60).Select(j => SyntheticPath.Package($"many-{i}-{j}", files: 30))]);
        var before = new ObjectName(repository.Head.StoreCatalog, ObjectKind.Catalog);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("one-more", files: 2));
        var after = new ObjectName(repository.Head.StoreCatalog, ObjectKind.Catalog);
        using var patches = new PatchCache(repository.Store.Objects);
        using var pack = new MemoryStream();

        await new StoreTransfer(repository.Store).SendAsync([new WantedItem(StoreItem.Of(after), before)], patches, pack, Cancel);

        long whole = repository.Store.Objects.StoredSize(after)!.Value;
        Assert.True(pack.Length < whole / 2, $"{pack.Length} of {whole} bytes");
        pack.Position = 0;
        using var reader = new ItemPackReader(pack, repository.Store.Objects.OpenRead);
        var item = await reader.ReadAsync(Cancel);
        using var rebuilt = new MemoryStream();
        await item!.Value.Content.CopyToAsync(rebuilt, Cancel);
        Assert.Equal(after.Hash, ObjectHasher.Hash(HashAlgorithmId.Sha1, rebuilt.ToArray()));
        Assert.Null(await reader.ReadAsync(Cancel));
    }

    [Fact]
    public async Task Where_a_patch_does_not_pay_or_the_base_is_not_there_the_object_is_sent()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        var name = new ObjectName(repository.Head.StoreCatalog, ObjectKind.Catalog);
        ObjectName unlike = SyntheticPath.Package("a").Objects.Keys.First();
        using var patches = new PatchCache(repository.Store.Objects);
        foreach (ObjectName baseName in (ObjectName[])[unlike, NameOf([1])])
        {
            using var pack = new MemoryStream();
            await new StoreTransfer(repository.Store).SendAsync([new WantedItem(StoreItem.Of(name), baseName)], patches, pack, Cancel);
            pack.Position = 0;
            using var reader = new ItemPackReader(pack);
            var item = await reader.ReadAsync(Cancel);
            Assert.Equal(repository.Store.Objects.StoredSize(name), item!.Value.Size);
        }
    }

    [Theory]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C", true)]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b79C", true)]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C ", false)]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C x", false)]
    [InlineData("1111111111111111111111111111111111111111111111111111111111111111 e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C", false)]
    public void A_wanted_item_is_a_name_or_two(string text, bool good)
    {
        Assert.Equal(good, WantedItem.TryParse(text, out WantedItem wanted));
        if (good)
            Assert.Equal(text, wanted.ToString());
    }

    private static async Task<byte[]> RoundTripAsync(byte[] original, byte[] target) => (await ReadAsync(await PackAsync(original, target), original)).Single();

    private static async Task<byte[]> PackAsync(byte[] original, byte[] target)
    {
        using var pack = new MemoryStream();
        var writer = new ItemPackWriter(pack);
        await writer.WritePatchAsync(NameOf(target), target.Length, new MemoryStream(target), NameOf(original), ObjectPatch.Make(original, target), Cancel);
        await writer.FinishAsync(Cancel);
        return pack.ToArray();
    }

    private static async Task<List<byte[]>> ReadAsync(byte[] pack, byte[] original)
    {
        var items = new List<byte[]>();
        using var reader = new ItemPackReader(new DribbleStream(pack, 1, 7, 100), name => name == NameOf(original) ? new MemoryStream(original) : null);
        while (await reader.ReadAsync(Cancel) is var (_, size, content))
        {
            using var bytes = new MemoryStream();
            await content.CopyToAsync(bytes, Cancel);
            Assert.Equal(size, bytes.Length);
            items.Add(bytes.ToArray());
        }

        return items;
    }

    private static byte[] Compress(byte[] plain)
    {
        var compressor = new SegmentedCompressor();
        using var stored = new MemoryStream();
        compressor.StoreAsync(plain.Length, (offset, buffer) => plain.AsSpan((int)offset, buffer.Length).CopyTo(buffer), stored, Cancel).GetAwaiter().GetResult();
        Assert.Equal(plain, ObjectCompression.Decompress(stored.ToArray(), plain.Length));
        return stored.ToArray();
    }

    private static byte[] Random(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }
}
