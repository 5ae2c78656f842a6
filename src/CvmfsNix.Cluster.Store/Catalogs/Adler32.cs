namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>The checksum at the end of a zlib stream (RFC 1950), and how those of two parts give that of both.</summary>
internal static class Adler32
{
    private const uint Base = 65521;

    // So many bytes can be added before a 32-bit sum overflows.
    private const int Block = 5552;

    public static uint Of(ReadOnlySpan<byte> data)
    {
        uint a = 1, b = 0;
        while (!data.IsEmpty)
        {
            ReadOnlySpan<byte> block = data[..Math.Min(Block, data.Length)];
            foreach (byte value in block)
            {
                a += value;
                b += a;
            }

            a %= Base;
            b %= Base;
            data = data[block.Length..];
        }

        return (b << 16) | a;
    }

    /// <summary>The checksum of two parts, from theirs and the second one's length.</summary>
    public static uint Combine(uint first, uint second, long secondLength)
    {
        ulong length = (ulong)secondLength % Base;
        ulong a = ((first & 0xffff) + (second & 0xffff) + Base - 1) % Base;
        ulong b = ((length * (first & 0xffff)) + (first >> 16) + (second >> 16) + Base - length) % Base;
        return (uint)((b << 16) | a);
    }
}
