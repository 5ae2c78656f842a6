using System.IO.Compression;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Fuzz.Reading;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Compression;

public class ObjectCompressionTests
{
    private static readonly Gen<byte[]> Contents = Gen.OneOf(Gen.Byte.Array[0, 300], Gen.Byte[0, 3].Array[0, 40_000]);

    [Fact]
    public void Empty_content_is_stored_as_the_eight_known_bytes()
    {
        const string expected = "789c030000000001";
        Assert.Equal(expected, Convert.ToHexStringLower(ObjectCompression.Compress([])));
        Assert.Equal(expected, Convert.ToHexStringLower(ObjectCompression.CompressClassic([])));
        using var stored = new MemoryStream();
        using (ObjectCompression.OpenCompressor(stored, CompressionLevel.Fastest, leaveOpen: true))
        {
        }

        Assert.Equal(expected, Convert.ToHexStringLower(stored.ToArray()));
        Assert.Empty(ObjectCompression.Decompress(stored.ToArray(), 0));
    }

    [Fact]
    public void Tiny_json_is_compressed_as_classic_zlib_does() => Assert.Equal("789cabae0500017500f9", Convert.ToHexStringLower(ObjectCompression.CompressClassic("{}"u8)));

    [Theory]
    [InlineData(ObjectKind.Certificate)]
    [InlineData(ObjectKind.MetaInfo)]
    [InlineData(ObjectKind.Data)]
    public void Golden_objects_come_out_byte_for_byte(ObjectKind kind)
    {
        var names = Golden.Objects(kind).Where(name => Golden.Content(name).Length <= ObjectCompression.ClassicBytesMax).ToList();
        Assert.NotEmpty(names);
        foreach (var name in names) Assert.Equal(Golden.Bytes(name.RelativePath), ObjectCompression.CompressClassic(Golden.Content(name)));
    }

    [Fact]
    public void Golden_objects_have_the_names_of_their_stored_bytes()
    {
        foreach (var kind in Enum.GetValues<ObjectKind>())
        {
            foreach (var name in Golden.Objects(kind)) Assert.Equal(name.Hash, ObjectHasher.Hash(HashAlgorithmId.Sha1, Golden.Bytes(name.RelativePath)));
        }
    }

    [Fact]
    public void Content_comes_back() => Contents.Sample(content =>
        ObjectCompression.Decompress(ObjectCompression.Compress(content), content.Length).AsSpan().SequenceEqual(content));

    [Fact]
    public void Content_that_might_not_come_out_as_classic_zlib_makes_it_is_refused() =>
        Assert.Throws<ArgumentException>(() => ObjectCompression.CompressClassic(new byte[ObjectCompression.ClassicBytesMax + 1]));

    [Fact]
    public void Classic_content_comes_back() => Gen.Byte.Array[0, ObjectCompression.ClassicBytesMax].Sample(content =>
        ObjectCompression.Decompress(ObjectCompression.CompressClassic(content), content.Length).AsSpan().SequenceEqual(content));

    [Fact]
    public void Every_truncation_is_corrupt() => Gen.Select(Contents, Gen.Double[0, 1]).Sample((content, where) =>
    {
        var stored = ObjectCompression.Compress(content);
        Assert.Throws<ObjectCorruptException>(() => ObjectCompression.Decompress(stored.AsSpan(0, (int)(stored.Length * where * 0.999)), content.Length));
    });

    [Fact]
    public void Bytes_behind_the_end_are_corrupt() => Gen.Select(Contents, Gen.Byte.Array[1, 20_000]).Sample((content, tail) =>
    {
        Assert.Throws<ObjectCorruptException>(() => ObjectCompression.Decompress([.. ObjectCompression.Compress(content), .. tail], content.Length));
    }, iter: 50);

    [Fact]
    public void A_wrong_checksum_is_corrupt()
    {
        var stored = ObjectCompression.Compress("hello"u8);
        stored[^1] ^= 1;
        Assert.Throws<ObjectCorruptException>(() => ObjectCompression.Decompress(stored, 100));
    }

    [Fact]
    public void Content_longer_than_allowed_is_refused() =>
        Assert.Throws<ObjectCorruptException>(() => ObjectCompression.Decompress(ObjectCompression.Compress(new byte[1_000_000]), 999_999));

    [Fact]
    public void Any_bytes_are_content_or_corrupt() => Gen.Byte.Array[0, 100].Sample(bytes =>
    {
        foreach (var stored in new[] { bytes, [0x78, 0x9c, .. bytes], [0x78, 0xbb, .. bytes] })
        {
            try
            {
                _ = ObjectCompression.Decompress(stored, 1000);
            }
            catch (ObjectCorruptException)
            {
                // The only exception there may be.
            }
        }
    });

    [Fact]
    public Task Content_is_the_same_however_the_stored_bytes_arrive() => Gen.Select(Contents, Gen.Int, Gen.Int[1, 5000]).SampleAsync(async (content, seed, taken) =>
    {
        var random = new Random(seed);
        await using var inflater = ObjectCompression.OpenDecompressor(new FragmentedStream(ObjectCompression.Compress(content), random), CompressionAlgorithm.Zlib);
        var buffer = new byte[taken];
        var at = 0;
        int count;
        while ((count = random.Next(2) == 0 ? inflater.Read(buffer) : await inflater.ReadAsync(buffer)) > 0)
        {
            Assert.True(content.AsSpan(at).StartsWith(buffer.AsSpan(0, count)));
            at += count;
        }

        Assert.Equal(content.Length, at);
    });

    [Fact]
    public async Task Streams_compress_and_inflate_asynchronously()
    {
        var cancel = TestContext.Current.CancellationToken;
        var content = new byte[300_000];
        new Random(1).NextBytes(content.AsSpan(0, 100_000));
        using var stored = new MemoryStream();
        await using (var compressor = ObjectCompression.OpenCompressor(stored, CompressionLevel.Optimal, leaveOpen: true))
        {
            await compressor.WriteAsync(content.AsMemory(0, 1000), cancel);
            await compressor.WriteAsync(content.AsMemory(1000), cancel);
        }

        stored.Position = 0;
        using var back = new MemoryStream();
        await using (var inflater = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib, leaveOpen: true)) await inflater.CopyToAsync(back, cancel);
        Assert.Equal(content, back.ToArray());
        await using var truncated = ObjectCompression.OpenDecompressor(new MemoryStream(stored.ToArray()[..^1]), CompressionAlgorithm.Zlib);
        await Assert.ThrowsAsync<ObjectCorruptException>(() => truncated.CopyToAsync(Stream.Null, cancel));
    }
}
