using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Packs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Packs;

public sealed class ObjectPackTests
{
    private static readonly Gen<(PackedObject Header, byte[] Stored)> GenObject =
        Gen.Select(
            Gen.Byte.Array[0, 300],
            AnyOf<ObjectKind>(),
            AnyOf<HashAlgorithmId>(),
            AnyOf<CompressionAlgorithm>(),
            Gen.Byte.Array[20],
            (stored, kind, algorithm, compression, digest) => (
                new PackedObject(
                    new ObjectName(new ObjectHash(algorithm, digest), kind),
                    compression,
                    stored.Length,
                    compression == CompressionAlgorithm.None ? stored.Length : stored.Length * 3),
                stored));

    private static readonly Gen<(PackedObject Header, byte[] Stored)[]> GenObjects = GenObject.Array[0, 6];

    private static Gen<T> AnyOf<T>()
        where T : struct, Enum => Gen.Int[0, Enum.GetValues<T>().Length - 1].Select(i => Enum.GetValues<T>()[i]);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public Task What_is_written_is_read_however_the_bytes_are_cut() =>
        Gen.Select(GenObjects, Gen.Int[1, 400].Array[1, 5]).SampleAsync(async (objects, pieces) =>
        {
            byte[] pack = await WriteAsync(objects);
            Assert.Equal(ObjectPackWriter.SizeOf(objects.Length, objects.Sum(o => o.Stored.Length)), pack.Length);
            (PackedObject Header, byte[] Stored)[] read = await ReadAsync(new DribbleStream(pack, pieces));
            Assert.Equal(objects.Select(o => o.Header), read.Select(o => o.Header));
            Assert.Equal(objects.Select(o => Convert.ToHexString(o.Stored)), read.Select(o => Convert.ToHexString(o.Stored)));
        }, iter: 200);

    [Fact]
    public Task Content_that_is_not_read_is_skipped() => GenObjects.SampleAsync(async objects =>
    {
        var reader = new ObjectPackReader(new DribbleStream(await WriteAsync(objects), 7, 64));
        List<PackedObject> headers = [];
        while (await reader.ReadAsync(Token) is var (header, content))
        {
            headers.Add(header);
            // Half of it, so that skipping begins in the middle.
            await content.ReadAtLeastAsync(new byte[header.StoredSize / 2], (int)(header.StoredSize / 2), cancellationToken: Token);
        }

        Assert.Equal(objects.Select(o => o.Header), headers);
    }, iter: 100);

    [Fact]
    public async Task A_pack_that_is_cut_off_anywhere_is_refused()
    {
        byte[] pack = await WriteAsync(GenObject.Array[3].Single());
        for (int length = 0; length < pack.Length; length++)
            await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(new MemoryStream(pack[..length])));
    }

    [Fact]
    public async Task Bytes_behind_the_end_are_refused()
    {
        byte[] pack = await WriteAsync(GenObject.Array[2].Single());
        await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(new MemoryStream([.. pack, 0])));
        await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(new MemoryStream([.. pack, .. pack])));
    }

    [Fact]
    public async Task A_damaged_byte_is_refused_or_changes_what_is_read()
    {
        (PackedObject Header, byte[] Stored)[] objects = GenObject.Array[2].Single();
        byte[] pack = await WriteAsync(objects);
        for (int at = 0; at < pack.Length; at++)
        {
            byte[] damaged = [.. pack];
            damaged[at] ^= 0x41;
            try
            {
                (PackedObject Header, byte[] Stored)[] read = await ReadAsync(new MemoryStream(damaged));
                Assert.False(
                    read.Select(o => o.Header).SequenceEqual(objects.Select(o => o.Header)) && read.Zip(objects, (a, b) => a.Stored.AsSpan().SequenceEqual(b.Stored)).All(same => same),
                    $"byte {at}");
            }
            catch (PackFormatException)
            {
                // Noticed.
            }
        }
    }

    [Fact]
    public Task No_bytes_crash_the_reader() => Gen.Byte.Array[0, 200].SampleAsync(async tail =>
    {
        foreach (byte[] start in (byte[][])[[], [.. "CNPACK"u8, 1, 10], [.. "CNPACK"u8, 1, 10, (byte)'O', 0, 0, 1], [.. "CNPACK"u8, 1, 10, (byte)'E']])
        {
            try
            {
                await ReadAsync(new MemoryStream([.. start, .. tail]));
            }
            catch (PackFormatException)
            {
                // Refused.
            }
        }
    }, iter: 2000);

    [Theory]
    [InlineData(101, 101, CompressionAlgorithm.None)]
    [InlineData(50, 1001, CompressionAlgorithm.Zlib)]
    [InlineData(50, 51, CompressionAlgorithm.None)]
    [InlineData(-1, 1, CompressionAlgorithm.Zlib)]
    [InlineData(1, -1, CompressionAlgorithm.Zlib)]
    [InlineData(long.MaxValue, 1, CompressionAlgorithm.Zlib)]
    public async Task Sizes_beyond_the_limits_are_refused_before_anything_is_read(long storedSize, long plainSize, CompressionAlgorithm compression)
    {
        var limits = new PackLimits { ObjectStoredBytesMax = 100, ObjectPlainBytesMax = 1000 };
        var header = new PackedObject(new ObjectName(new ObjectHash(HashAlgorithmId.Sha1, new byte[20]), ObjectKind.Data), compression, storedSize, plainSize);
        using var pack = new MemoryStream();
        var writer = new ObjectPackWriter(pack);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await writer.WriteAsync(header, new MemoryStream([.. new byte[99]]), Token));
        pack.Position = 0;
        await Assert.ThrowsAsync<PackFormatException>(async () => await new ObjectPackReader(pack, limits).ReadAsync(Token));
    }

    [Fact]
    public async Task A_pack_that_grows_beyond_its_limit_is_refused()
    {
        (PackedObject, byte[])[] objects = [.. Enumerable.Range(0, 20).Select(i => Object(new byte[50]))];
        byte[] pack = await WriteAsync(objects);
        Assert.Equal(20, (await ReadAsync(new MemoryStream(pack), new PackLimits { PackBytesMax = pack.Length })).Length);
        await Assert.ThrowsAsync<PackFormatException>(() => ReadAsync(new MemoryStream(pack), new PackLimits { PackBytesMax = pack.Length - 1 }));
    }

    private static (PackedObject, byte[]) Object(byte[] stored) => (
        new PackedObject(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), ObjectKind.Data), CompressionAlgorithm.None, stored.Length, stored.Length),
        stored);

    private static async Task<byte[]> WriteAsync((PackedObject Header, byte[] Stored)[] objects)
    {
        using var pack = new MemoryStream();
        var writer = new ObjectPackWriter(pack);
        for (int i = 0; i < objects.Length; i++)
        {
            if (i % 2 == 0)
                await writer.WriteAsync(objects[i].Header, objects[i].Stored, Token);
            else
                await writer.WriteAsync(objects[i].Header, new MemoryStream(objects[i].Stored), Token);
        }

        await writer.FinishAsync(Token);
        return pack.ToArray();
    }

    private static async Task<(PackedObject Header, byte[] Stored)[]> ReadAsync(Stream pack, PackLimits? limits = null)
    {
        var reader = new ObjectPackReader(pack, limits);
        List<(PackedObject, byte[])> objects = [];
        while (await reader.ReadAsync(Token) is var (header, content))
        {
            using var stored = new MemoryStream();
            await content.CopyToAsync(stored, Token);
            objects.Add((header, stored.ToArray()));
        }

        Assert.Null(await reader.ReadAsync(Token));
        return [.. objects];
    }
}
