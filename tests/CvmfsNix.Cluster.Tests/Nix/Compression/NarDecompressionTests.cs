using System.IO.Compression;
using CsCheck;
using CvmfsNix.Cluster.Nix.Compression;
using SharpCompress.Compressors.ZStandard;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Compression;

public sealed class NarDecompressionTests
{
    // xz -9 of "hello\n".
    private const string HelloXz = "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jMAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWg==";

    [Theory]
    [InlineData("none")]
    [InlineData("zstd")]
    [InlineData("gzip")]
    [InlineData("br")]
    public void What_was_compressed_is_read_back_and_the_file_stays_open(string compression) => Gen.Byte.Array[0, 100_000].Sample(
        bytes =>
        {
            using var file = new MemoryStream(Compress(bytes, compression));
            using (Stream open = NarDecompression.Open(file, compression))
            using (var copy = new MemoryStream())
            {
                open.CopyTo(copy);
                Assert.Equal(bytes, copy.ToArray());
            }

            Assert.True(file.CanRead);
        },
        iter: 20);

    [Theory]
    [InlineData("zstd")]
    [InlineData("xz")]
    [InlineData("bzip2")]
    [InlineData("gzip")]
    [InlineData("br")]
    public void Any_bytes_are_read_or_are_damage(string compression) => Gen.Byte.Array[0, 2_000].Sample(
        bytes =>
        {
            try
            {
                using Stream open = NarDecompression.Open(new MemoryStream(bytes), compression);
                open.CopyTo(Stream.Null);
            }
            catch (Exception e) when (NarDecompression.IsDamage(e))
            {
                // What most bytes are.
            }
        },
        iter: 300);

    [Fact]
    public void An_xz_file_that_asks_for_a_huge_dictionary_is_damage()
    {
        byte[] file = Convert.FromBase64String(HelloXz);
        using (Stream open = NarDecompression.Open(new MemoryStream(file), "xz"))
        using (var text = new StreamReader(open))
            Assert.Equal("hello\n", text.ReadToEnd());

        // The code of 4 GiB, in the header of the block.
        file[16] = 40;
        using Stream huge = NarDecompression.Open(new MemoryStream(file), "xz");
        Exception refused = Assert.ThrowsAny<Exception>(() => huge.CopyTo(Stream.Null));
        Assert.True(NarDecompression.IsDamage(refused));
        Assert.Contains("64 MiB", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_read_is_said_beforehand()
    {
        Assert.False(NarDecompression.IsSupported("lzip"));
        Assert.Throws<NotSupportedException>(() => NarDecompression.Open(Stream.Null, "lzip"));
    }

    private static byte[] Compress(byte[] bytes, string compression)
    {
        using var file = new MemoryStream();
        using (Stream open = compression switch
        {
            "zstd" => new CompressionStream(file, 1, 0, leaveOpen: true),
            "gzip" => new GZipStream(file, CompressionLevel.Fastest, leaveOpen: true),
            "br" => new BrotliStream(file, CompressionLevel.Fastest, leaveOpen: true),
            _ => new BufferedStream(file),
        })
        {
            open.Write(bytes);
            open.Flush();
            if (compression == "none")
                return file.ToArray();
        }

        return file.ToArray();
    }
}
