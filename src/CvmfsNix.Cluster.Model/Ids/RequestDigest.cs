using System.Buffers.Binary;

namespace CvmfsNix.Cluster.Model.Ids;

/// <summary>SHA-256 over what a builder asks for, 32 bytes: a retry has the same digest, another request another one.</summary>
public readonly record struct RequestDigest
{
    /// <summary>Bytes of a digest.</summary>
    public const int Size = 32;

    private readonly UInt128 _high;
    private readonly UInt128 _low;

    /// <summary>Takes 32 bytes.</summary>
    /// <exception cref="ArgumentException">The span has another length.</exception>
    public RequestDigest(ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Size)
            throw new ArgumentException($"A request digest has {Size} bytes, not {digest.Length}.", nameof(digest));
        _high = BinaryPrimitives.ReadUInt128BigEndian(digest);
        _low = BinaryPrimitives.ReadUInt128BigEndian(digest[16..]);
    }

    /// <summary>The 32 bytes in an array of the caller's.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, _high);
        BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(16), _low);
        return bytes;
    }

    /// <summary>Lower-case hex.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());
}
