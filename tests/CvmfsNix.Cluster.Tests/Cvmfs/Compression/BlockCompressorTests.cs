using System.IO.Compression;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Compression;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Compression;

public class BlockCompressorTests
{
    private static readonly Gen<byte[]> Contents = Gen.OneOf(Gen.Byte.Array[0, 300], Gen.Byte[0, 3].Array[0, 40_000], Gen.Byte.Array[60_000, 140_000]);

    public static TheoryData<string> Compressors => new() { "runtime", "libdeflate" };

    [Theory]
    [MemberData(nameof(Compressors))]
    public void The_strict_reader_takes_what_is_made(string which)
    {
        BlockCompressor compressor = Of(which);
        Gen.Select(Contents, Gen.Enum<CompressionLevel>()).Sample((content, level) =>
        {
            byte[] stored = Compressed(compressor, content, level);
            return ObjectCompression.Decompress(stored, content.Length).AsSpan().SequenceEqual(content);
        });
    }

    [Theory]
    [MemberData(nameof(Compressors))]
    public void Either_inflates_what_the_other_made(string which)
    {
        BlockCompressor compressor = Of(which);
        Contents.Sample(content =>
        {
            byte[] back = new byte[content.Length];
            return BlockCompressor.Best.TryInflate(Compressed(compressor, content, CompressionLevel.Optimal), back) && back.AsSpan().SequenceEqual(content)
                && compressor.TryInflate(ObjectCompression.Compress(content), back) && back.AsSpan().SequenceEqual(content);
        });
    }

    [Theory]
    [MemberData(nameof(Compressors))]
    public void What_has_no_room_is_not_written(string which)
    {
        BlockCompressor compressor = Of(which);
        Gen.Select(Contents, Gen.Double[0, 1]).Sample((content, part) =>
        {
            byte[] stored = Compressed(compressor, content, CompressionLevel.Optimal);
            byte[] room = new byte[stored.Length + 100];
            int less = (int)(stored.Length * part * 0.999);
            return compressor.Compress(content, room.AsSpan(0, less), CompressionLevel.Optimal) == 0 && room.AsSpan(less).IndexOfAnyExcept((byte)0) < 0;
        });
    }

    [Theory]
    [MemberData(nameof(Compressors))]
    public void Nothing_but_one_stream_of_just_that_size_is_inflated(string which)
    {
        BlockCompressor compressor = Of(which);
        Gen.Select(Contents.Where(c => c.Length > 0), Gen.Double[0, 1], Gen.Byte[1, 255]).Sample((content, where, change) =>
        {
            byte[] stored = ObjectCompression.Compress(content);
            byte[] back = new byte[content.Length + 1];
            Assert.False(compressor.TryInflate(stored.AsSpan(0, (int)(stored.Length * where * 0.999)), back.AsSpan(0, content.Length)), "truncated");
            Assert.False(compressor.TryInflate([.. stored, 0], back.AsSpan(0, content.Length)), "something behind it");
            Assert.False(compressor.TryInflate(stored, back), "shorter than said");
            Assert.False(compressor.TryInflate(stored, back.AsSpan(0, content.Length - 1)), "longer than said");
            stored[^1] ^= change;
            Assert.False(compressor.TryInflate(stored, back.AsSpan(0, content.Length)), "another checksum");
        });
    }

    [Theory]
    [MemberData(nameof(Compressors))]
    public void Many_may_compress_at_once(string which)
    {
        BlockCompressor compressor = Of(which);
        byte[][] contents = [.. Enumerable.Range(0, 64).Select(i => new Random(i).GetItems<byte>([1, 2, 3, 5, 8], 50_000))];
        byte[][] alone = [.. contents.Select(c => Compressed(compressor, c, CompressionLevel.Optimal))];
        Parallel.For(0, contents.Length * 4, i =>
        {
            byte[] back = new byte[50_000];
            Assert.Equal(alone[i % 64], Compressed(compressor, contents[i % 64], CompressionLevel.Optimal));
            Assert.True(compressor.TryInflate(alone[i % 64], back));
            Assert.Equal(contents[i % 64], back);
        });
    }

    [Fact]
    public void Without_the_library_the_runtime_does_it()
    {
        Assert.Null(BlockCompressor.TryLoad("libno-such-library.so.0"));
        // A library, but not that one.
        Assert.Null(BlockCompressor.TryLoad("libc.so.6"));
        Assert.Equal(BlockCompressor.TryLoad(BlockCompressor.Library)?.Name ?? BlockCompressor.Runtime.Name, BlockCompressor.Best.Name);
    }

    private static BlockCompressor Of(string which)
    {
        if (which == "runtime")
            return BlockCompressor.Runtime;
        BlockCompressor? found = BlockCompressor.TryLoad(BlockCompressor.Library);
        Assert.SkipWhen(found is null, $"{BlockCompressor.Library} is not installed");
        return found;
    }

    private static byte[] Compressed(BlockCompressor compressor, ReadOnlySpan<byte> content, CompressionLevel level)
    {
        // The fastest level of the runtime makes noise an eighth larger.
        byte[] room = new byte[content.Length + (content.Length / 4) + 64];
        int size = compressor.Compress(content, room, level);
        Assert.NotEqual(0, size);
        return room[..size];
    }
}
