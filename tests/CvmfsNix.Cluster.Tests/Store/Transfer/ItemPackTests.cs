using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Transfer;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Transfer;

public sealed class ItemPackTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly (StoreItem Item, byte[] Bytes)[] Sample =
    [
        (StoreItem.Of(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, "a"u8), ObjectKind.Catalog)), "a"u8.ToArray()),
        (StoreItem.OfBlob(new string('1', 64)), [1, 2, 3]),
        (StoreItem.Of(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Shake128, ""u8), ObjectKind.Data)), []),
    ];

    [Fact]
    public async Task Items_come_out_as_they_went_in()
    {
        var read = await ReadAsync(await PackAsync());
        Assert.Equal(Sample.Select(s => s.Item), read.Select(r => r.Item));
        Assert.Equal(Sample.Select(s => s.Bytes), read.Select(r => r.Bytes));
    }

    [Fact]
    public async Task A_pack_cut_short_or_longer_anywhere_is_an_error()
    {
        byte[] pack = await PackAsync();
        for (int length = 0; length < pack.Length; length++)
            await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(pack[..length]));
        await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync([.. pack, 0]));
    }

    [Fact]
    public async Task Damaged_bytes_are_an_error_or_another_item_never_a_crash()
    {
        byte[] pack = await PackAsync();
        await Gen.Select(Gen.Int[0, pack.Length - 1], Gen.Byte).SampleAsync(async (at, value) =>
        {
            byte[] damaged = [.. pack];
            damaged[at] = value;
            try
            {
                await ReadAsync(damaged);
            }
            catch (PackFormatException)
            {
                // The one error there is.
            }
        });
    }

    [Fact]
    public void Names_survive_as_text_and_nothing_else_is_a_name()
    {
        foreach ((StoreItem item, _) in Sample)
            Assert.True(StoreItem.TryParse(item.ToString(), out StoreItem read) && read == item);
        foreach (string odd in (string[])["", "x", new string('1', 63), new string('A', 64), "../" + new string('1', 61)])
            Assert.False(StoreItem.TryParse(odd, out _));
    }

    [Fact]
    public async Task Bytes_that_are_not_those_of_their_name_are_not_taken()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        var transfer = new StoreTransfer(repository.Store);
        var good = StoreItem.Of(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, "good"u8), ObjectKind.Data));
        foreach (StoreItem wrong in (StoreItem[])[StoreItem.Of(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, "b"u8), ObjectKind.Data)), StoreItem.OfBlob(new string('2', 64))])
        {
            using var pack = new MemoryStream();
            var writer = new ItemPackWriter(pack);
            await writer.WriteAsync(good, 4, new MemoryStream("good"u8.ToArray()), Cancel);
            await writer.WriteAsync(wrong, 3, new MemoryStream("bad"u8.ToArray()), Cancel);
            await writer.FinishAsync(Cancel);
            pack.Position = 0;
            await Assert.ThrowsAsync<InvalidDataException>(() => transfer.ReceiveAsync(pack, Cancel));
            Assert.False(transfer.Contains(wrong));
            Assert.False(transfer.Contains(good));
        }
    }

    private static async Task<byte[]> PackAsync()
    {
        using var pack = new MemoryStream();
        var writer = new ItemPackWriter(pack);
        foreach ((StoreItem item, byte[] bytes) in Sample)
            await writer.WriteAsync(item, bytes.Length, new MemoryStream(bytes), Cancel);
        await writer.FinishAsync(Cancel);
        return pack.ToArray();
    }

    private static async Task<List<(StoreItem Item, byte[] Bytes)>> ReadAsync(byte[] pack)
    {
        var items = new List<(StoreItem, byte[])>();
        var reader = new ItemPackReader(new MemoryStream(pack));
        while (await reader.ReadAsync(Cancel) is var (item, _, content))
        {
            using var bytes = new MemoryStream();
            await content.CopyToAsync(bytes, Cancel);
            items.Add((item, bytes.ToArray()));
        }

        return items;
    }
}
