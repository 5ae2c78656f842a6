using System.IO.Compression;
using System.Text;
using CvmfsNix.Cluster.Store.Ingest;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Ingest;

public sealed class ContentPackingTests
{
    private const int Size = 600_000;

    [Fact]
    public void Only_what_has_nothing_to_gain_is_stored_without_being_compressed()
    {
        var noise = new byte[Size];
        new Random(1).NextBytes(noise);
        byte[] text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, Size / 8).Select(static i => $"line {i % 1000}\n")));
        // As frequent as each other, and yet in an order that repeats.
        byte[] ramp = [.. Enumerable.Range(0, Size).Select(static i => (byte)i)];
        // Noise at the beginning only, as an archive with an index behind it.
        byte[] mixed = [.. noise.AsSpan(0, Size / 2), .. text.AsSpan(0, Size / 2)];

        Assert.True(ContentPacking.LooksCompressed(noise));
        Assert.False(ContentPacking.LooksCompressed(text));
        Assert.False(ContentPacking.LooksCompressed(ramp));
        Assert.False(ContentPacking.LooksCompressed(mixed));
        Assert.Null(Packed(noise));
        Assert.All((byte[][])[text, ramp, mixed], content => Assert.InRange(Packed(content)!.Length, 1, content.Length * 9 / 10));
    }

    private static PooledBytes? Packed(byte[] content)
    {
        var plain = new PooledBytes(content.Length);
        plain.Append(content);
        return ContentPacking.Compress(plain, always: false, CompressionLevel.Optimal);
    }
}
