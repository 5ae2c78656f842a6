using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// The bytes of an item pack, in which nodes hand each other parts of a store. All numbers are little-endian.
/// <code>
/// pack   := "CNSTORE" version(1 byte: 1) 0x0A  item*  end
/// item   := 'O' kind(1) algorithm(1) digest(20) size(8)  stored bytes          an object, of any kind
///         | 'B' digest(32) size(8)  bytes                                      a record file
/// end    := 'E' number of items(8) sum of the sizes(8)  end of file
/// </code>
/// Unlike an object pack, in which builders send, it says nothing of plaintexts: the name alone tells whether the bytes are right.
/// </summary>
internal static class ItemPackFrame
{
    public const byte ObjectMark = (byte)'O';
    public const byte BlobMark = (byte)'B';
    public const byte EndMark = (byte)'E';
    public const int ObjectSize = 1 + 1 + 1 + ObjectHash.Size + 8;
    public const int BlobDigestSize = 32;
    public const int BlobSize = 1 + BlobDigestSize + 8;
    public const int EndSize = 1 + 8 + 8;
    public const int LargestFrame = BlobSize;

    /// <summary>Largest item: record files and catalogs grow with the repository and are streamed, so this only stops nonsense.</summary>
    public const long ItemSizeMax = 4L << 30;

    public static ReadOnlySpan<byte> Magic => "CNSTORE\u0001\n"u8;

    /// <summary>Writes the frame of an item; returns its length.</summary>
    public static int WriteItem(Span<byte> frame, StoreItem item, long size)
    {
        if (item.Blob is { } digest)
        {
            frame[0] = BlobMark;
            Convert.FromHexString(digest).CopyTo(frame[1..]);
            BinaryPrimitives.WriteInt64LittleEndian(frame[(1 + BlobDigestSize)..], size);
            return BlobSize;
        }

        ObjectName name = item.Object;
        frame[0] = ObjectMark;
        frame[1] = (byte)name.Kind;
        frame[2] = (byte)name.Hash.Algorithm;
        name.Hash.CopyTo(frame[3..]);
        BinaryPrimitives.WriteInt64LittleEndian(frame[(3 + ObjectHash.Size)..], size);
        return ObjectSize;
    }

    /// <summary>Takes the frame of an object apart; an error text when it is not legal.</summary>
    public static string? TryReadObject(ReadOnlySpan<byte> frame, out StoreItem item, out long size)
    {
        item = default;
        size = BinaryPrimitives.ReadInt64LittleEndian(frame[(3 + ObjectHash.Size)..]);
        var kind = (ObjectKind)frame[1];
        if (!Enum.IsDefined(kind))
            return $"unknown kind of object {frame[1]}";
        var algorithm = (HashAlgorithmId)frame[2];
        if (!Enum.IsDefined(algorithm))
            return $"unknown hash algorithm {frame[2]}";
        item = StoreItem.Of(new ObjectName(new ObjectHash(algorithm, frame.Slice(3, ObjectHash.Size)), kind));
        return SizeProblem(size);
    }

    /// <summary>Takes the frame of a record file apart; an error text when it is not legal.</summary>
    public static string? TryReadBlob(ReadOnlySpan<byte> frame, out StoreItem item, out long size)
    {
        size = BinaryPrimitives.ReadInt64LittleEndian(frame[(1 + BlobDigestSize)..]);
        item = StoreItem.OfBlob(Convert.ToHexStringLower(frame.Slice(1, BlobDigestSize)));
        return SizeProblem(size);
    }

    public static void WriteEnd(Span<byte> frame, long items, long bytes)
    {
        frame[0] = EndMark;
        BinaryPrimitives.WriteInt64LittleEndian(frame[1..], items);
        BinaryPrimitives.WriteInt64LittleEndian(frame[9..], bytes);
    }

    public static (long Items, long Bytes) ReadEnd(ReadOnlySpan<byte> frame) =>
        (BinaryPrimitives.ReadInt64LittleEndian(frame[1..]), BinaryPrimitives.ReadInt64LittleEndian(frame[9..]));

    private static string? SizeProblem(long size) =>
        size is < 0 or > ItemSizeMax ? $"an item of {size} bytes; at most {ItemSizeMax} are allowed" : null;
}
