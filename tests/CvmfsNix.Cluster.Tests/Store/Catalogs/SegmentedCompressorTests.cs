using System.IO.Compression;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Store.Catalogs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Catalogs;

public sealed class SegmentedCompressorTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void The_result_is_an_ordinary_zlib_stream_of_the_file_whatever_its_length() =>
        Gen.Select(Gen.Int[0, 5 * SegmentedCompressor.SegmentSize], Gen.Int).Sample((length, seed) =>
        {
            byte[] file = Content(length, seed);
            var compressor = new SegmentedCompressor();
            byte[] stored = Compress(compressor, file);
            Assert.Equal((file.Length, stored.Length), ((int)compressor.PlainSize, (int)compressor.StoredSize));
            using var zlib = new ZLibStream(new MemoryStream(stored), CompressionMode.Decompress);
            using var plain = new MemoryStream();
            zlib.CopyTo(plain);
            Assert.Equal(file, plain.ToArray());
            Assert.Equal(file, ObjectCompression.Decompress(stored, file.Length + 1));
        }, iter: 30);

    [Fact]
    public void Only_what_changed_is_compressed_and_the_past_does_not_show()
    {
        var compressor = new SegmentedCompressor();
        byte[] file = Content(10 * SegmentedCompressor.SegmentSize + 17, 1);
        Compress(compressor, file);
        Assert.Equal(11, compressor.SegmentsCompressed);

        file[3 * SegmentedCompressor.SegmentSize] ^= 1;
        byte[] changed = Compress(compressor, file);
        Assert.Equal(1, compressor.SegmentsCompressed);
        var fresh = new SegmentedCompressor();
        Assert.Equal(Compress(fresh, file), changed);

        byte[] shorter = file[..(5 * SegmentedCompressor.SegmentSize)];
        Assert.Equal(Compress(fresh, shorter), Compress(compressor, shorter));
    }

    [Fact]
    public void A_version_that_could_not_be_read_to_its_end_leaves_nothing_wrong_behind()
    {
        var compressor = new SegmentedCompressor();
        byte[] file = Content(8 * SegmentedCompressor.SegmentSize, 1);
        Compress(compressor, file);
        byte[] next = Content(12 * SegmentedCompressor.SegmentSize, 2);
        Assert.Throws<AggregateException>(() => compressor.Take(next.Length, (offset, buffer) =>
        {
            if (offset == 5 * SegmentedCompressor.SegmentSize)
                throw new IOException("the disk is gone");
            next.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        }));
        Assert.Equal(next, ObjectCompression.Decompress(Compress(compressor, next), next.Length + 1));
        Assert.Equal(file, ObjectCompression.Decompress(Compress(compressor, file), file.Length + 1));
    }

    private static byte[] Compress(SegmentedCompressor compressor, byte[] file)
    {
        compressor.Take(file.Length, (offset, buffer) => file.AsSpan((int)offset, buffer.Length).CopyTo(buffer));
        using var stored = new MemoryStream();
        compressor.CopyStoredAsync(stored, Cancel).GetAwaiter().GetResult();
        return stored.ToArray();
    }

    private static byte[] Content(int length, int seed)
    {
        var bytes = new byte[length];
        var random = new Random(seed);
        for (int i = 0; i < length; i++)
            bytes[i] = (byte)random.Next(i % 3 == 0 ? 256 : 4);
        return bytes;
    }
}
