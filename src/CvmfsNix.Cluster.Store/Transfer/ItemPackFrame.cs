using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// The bytes of an item pack, in which nodes hand each other parts of a store. All numbers are little-endian.
/// <code>
/// pack   := "CNSTORE" version(1 byte: 1) 0x0A  item*  end
/// name   := kind(1) algorithm(1) digest(20)
/// item   := 'O' name size(8)  stored bytes                      an object, of any kind
///         | 'B' digest(32) size(8)  bytes                       a record file
///         | 'P' name size(8) name(base) length(8)  step*        an object of size bytes, told in length bytes as pieces of another
/// step   := 'C' offset(8) count(8)                              bytes of the base
///         | 'L' count(4)  bytes                                 bytes that follow
/// end    := 'E' number of items(8) sum of the sizes, of patches the lengths(8)  end of file
/// </code>
/// Unlike an object pack, in which builders send, it says nothing of plaintexts: the name alone tells whether the bytes are right.
/// Patches are only sent to who asked for them by naming a base.
/// </summary>
internal static class ItemPackFrame
{
    public const byte ObjectMark = (byte)'O';
    public const byte BlobMark = (byte)'B';
    public const byte PatchMark = (byte)'P';
    public const byte CopyMark = (byte)'C';
    public const byte LiteralMark = (byte)'L';
    public const int ObjectSize = 1 + NameSize + 8;
    public const int BlobDigestSize = 32;
    public const int BlobSize = 1 + BlobDigestSize + 8;
    public const int PatchSize = 1 + NameSize + 8 + NameSize + 8;
    public const int CopySize = 1 + 8 + 8;
    public const int LiteralSize = 1 + 4;
    public const int LargestFrame = PatchSize;

    /// <summary>Largest item: record files and catalogs grow with the repository and are streamed, so this only stops nonsense.</summary>
    public const long ItemSizeMax = 4L << 30;

    private const int NameSize = 1 + 1 + ObjectHash.Size;

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

        frame[0] = ObjectMark;
        WriteName(frame[1..], item.Object);
        BinaryPrimitives.WriteInt64LittleEndian(frame[(1 + NameSize)..], size);
        return ObjectSize;
    }

    /// <summary>Writes the frame of a patch; returns its length.</summary>
    public static int WritePatch(Span<byte> frame, ObjectName name, long size, ObjectName baseName, long length)
    {
        frame[0] = PatchMark;
        WriteName(frame[1..], name);
        BinaryPrimitives.WriteInt64LittleEndian(frame[(1 + NameSize)..], size);
        WriteName(frame[ObjectSize..], baseName);
        BinaryPrimitives.WriteInt64LittleEndian(frame[(ObjectSize + NameSize)..], length);
        return PatchSize;
    }

    /// <summary>Takes the frame of an object apart; an error text when it is not legal.</summary>
    public static string? TryReadObject(ReadOnlySpan<byte> frame, out StoreItem item, out long size)
    {
        item = default;
        size = BinaryPrimitives.ReadInt64LittleEndian(frame[(1 + NameSize)..]);
        if (TryReadName(frame[1..], out ObjectName name) is { } problem)
            return problem;
        item = StoreItem.Of(name);
        return SizeProblem(size);
    }

    /// <summary>Takes the frame of a patch apart; an error text when it is not legal.</summary>
    public static string? TryReadPatch(ReadOnlySpan<byte> frame, out StoreItem item, out long size, out ObjectName baseName, out long length)
    {
        baseName = default;
        length = BinaryPrimitives.ReadInt64LittleEndian(frame[(ObjectSize + NameSize)..]);
        return TryReadObject(frame, out item, out size) ?? TryReadName(frame[ObjectSize..], out baseName) ?? SizeProblem(length);
    }

    /// <summary>Takes the frame of a record file apart; an error text when it is not legal.</summary>
    public static string? TryReadBlob(ReadOnlySpan<byte> frame, out StoreItem item, out long size)
    {
        size = BinaryPrimitives.ReadInt64LittleEndian(frame[(1 + BlobDigestSize)..]);
        item = StoreItem.OfBlob(Convert.ToHexStringLower(frame.Slice(1, BlobDigestSize)));
        return SizeProblem(size);
    }

    private static void WriteName(Span<byte> frame, ObjectName name)
    {
        frame[0] = (byte)name.Kind;
        frame[1] = (byte)name.Hash.Algorithm;
        name.Hash.CopyTo(frame[2..]);
    }

    private static string? TryReadName(ReadOnlySpan<byte> frame, out ObjectName name)
    {
        name = default;
        var kind = (ObjectKind)frame[0];
        if (!Enum.IsDefined(kind))
            return $"unknown kind of object {frame[0]}";
        var algorithm = (HashAlgorithmId)frame[1];
        if (!Enum.IsDefined(algorithm))
            return $"unknown hash algorithm {frame[1]}";
        name = new ObjectName(new ObjectHash(algorithm, frame.Slice(2, ObjectHash.Size)), kind);
        return null;
    }

    private static string? SizeProblem(long size) =>
        size is < 0 or > ItemSizeMax ? $"an item of {size} bytes; at most {ItemSizeMax} are allowed" : null;
}
