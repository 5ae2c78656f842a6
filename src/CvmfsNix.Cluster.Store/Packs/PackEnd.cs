using System.Buffers.Binary;

namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>The end of a pack of either kind, which tells a complete one from a truncated one: mark, number of items (8), sum of their sizes (8), little-endian.</summary>
internal static class PackEnd
{
    public const byte Mark = (byte)'E';

    public const int Size = 1 + 8 + 8;

    public static void Write(Span<byte> frame, long items, long bytes)
    {
        frame[0] = Mark;
        BinaryPrimitives.WriteInt64LittleEndian(frame[1..], items);
        BinaryPrimitives.WriteInt64LittleEndian(frame[9..], bytes);
    }

    public static (long Items, long Bytes) Read(ReadOnlySpan<byte> frame) =>
        (BinaryPrimitives.ReadInt64LittleEndian(frame[1..]), BinaryPrimitives.ReadInt64LittleEndian(frame[9..]));
}
