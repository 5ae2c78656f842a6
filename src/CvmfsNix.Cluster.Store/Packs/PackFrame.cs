using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>
/// The bytes of an object pack. All numbers are little-endian.
/// <code>
/// pack   := "CNPACK" version(1 byte: 1) 0x0A  object*  end
/// object := 'O' kind(1) compression(1) algorithm(1) digest(20) stored size(8) plain size(8)  stored bytes
/// end    := 'E' number of objects(8) sum of the stored sizes(8)  end of file
/// </code>
/// kind is the suffix letter of the object's name, 0 for whole-file content. The end frame tells a complete pack from a truncated one.
/// </summary>
internal static class PackFrame
{
    public const byte ObjectMark = (byte)'O';

    public const int ObjectSize = 1 + 1 + 1 + 1 + ObjectHash.Size + 8 + 8;

    public static ReadOnlySpan<byte> Magic => "CNPACK\u0001\n"u8;

    public static void WriteObject(Span<byte> frame, PackedObject header)
    {
        frame[0] = ObjectMark;
        frame[1] = (byte)header.Name.Kind;
        frame[2] = (byte)header.Compression;
        frame[3] = (byte)header.Name.Hash.Algorithm;
        header.Name.Hash.CopyTo(frame[4..]);
        BinaryPrimitives.WriteInt64LittleEndian(frame[24..], header.StoredSize);
        BinaryPrimitives.WriteInt64LittleEndian(frame[32..], header.PlainSize);
    }

    /// <summary>Takes a frame apart; an error text when it is not legal under <paramref name="limits"/>.</summary>
    public static string? TryReadObject(ReadOnlySpan<byte> frame, PackLimits limits, out PackedObject header)
    {
        header = default;
        var kind = (ObjectKind)frame[1];
        if (!Enum.IsDefined(kind))
            return $"unknown kind of object {frame[1]}";
        var compression = (CompressionAlgorithm)frame[2];
        if (!Enum.IsDefined(compression))
            return $"unknown compression {frame[2]}";
        var algorithm = (HashAlgorithmId)frame[3];
        if (!Enum.IsDefined(algorithm))
            return $"unknown hash algorithm {frame[3]}";
        long storedSize = BinaryPrimitives.ReadInt64LittleEndian(frame[24..]);
        long plainSize = BinaryPrimitives.ReadInt64LittleEndian(frame[32..]);
        if (storedSize < 0 || storedSize > limits.ObjectStoredBytesMax)
            return $"an object of {storedSize} stored bytes; at most {limits.ObjectStoredBytesMax} are allowed";
        if (plainSize < 0 || plainSize > limits.ObjectPlainBytesMax)
            return $"an object of {plainSize} plaintext bytes; at most {limits.ObjectPlainBytesMax} are allowed";
        if (compression == CompressionAlgorithm.None && storedSize != plainSize)
            return $"an uncompressed object with {storedSize} stored and {plainSize} plaintext bytes";
        header = new PackedObject(new ObjectName(new ObjectHash(algorithm, frame.Slice(4, ObjectHash.Size)), kind), compression, storedSize, plainSize);
        return null;
    }
}
