using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace CvmfsNix.Cluster.Cvmfs.Hashing;

/// <summary>
/// Digest of an object's bytes as stored (after compression), with its algorithm. Twenty bytes inline, no heap.
/// Text form: 40 lower-case hex digits, then the algorithm id if there is one; the length alone tells the algorithm (40, 47 or 49 characters).
/// </summary>
public readonly record struct ObjectHash : IComparable<ObjectHash>
{
    /// <summary>Digest size in bytes, the same for every algorithm.</summary>
    public const int Size = 20;

    private const int HexLength = Size * 2;

    // Big-endian halves, so that comparing the numbers is comparing the bytes.
    private readonly ulong _first;
    private readonly ulong _second;
    private readonly uint _last;

    /// <summary>Wraps a digest of exactly <see cref="Size"/> bytes.</summary>
    /// <exception cref="ArgumentException">The digest has another length, or the algorithm is unknown.</exception>
    public ObjectHash(HashAlgorithmId algorithm, ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Size) throw new ArgumentException($"An object hash has {Size} bytes, not {digest.Length}.", nameof(digest));
        if (!algorithm.IsKnown()) throw new ArgumentException($"Unknown hash algorithm {(int)algorithm}.", nameof(algorithm));
        Algorithm = algorithm;
        _first = BinaryPrimitives.ReadUInt64BigEndian(digest);
        _second = BinaryPrimitives.ReadUInt64BigEndian(digest[8..]);
        _last = BinaryPrimitives.ReadUInt32BigEndian(digest[16..]);
    }

    /// <summary>Algorithm of the digest.</summary>
    public HashAlgorithmId Algorithm { get; }

    /// <summary>True when all digest bytes are zero, the format's "no hash".</summary>
    public bool IsNull => (_first | _second | _last) == 0;

    /// <summary>Copies the <see cref="Size"/> digest bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _first);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _second);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], _last);
    }

    /// <summary>The digest bytes in a new array.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Reads the text form (no suffix letter).</summary>
    /// <exception cref="FormatException">Not a hash text.</exception>
    public static ObjectHash Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var hash)
            ? hash
            : throw new FormatException($"'{Excerpt.Of(text)}' is no object hash: expected 40 lower-case hex digits, optionally followed by -rmd160 or -shake128.");
    }

    /// <summary>Reads the text form; upper-case digits are refused, as the stock parser misreads them.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ObjectHash hash)
    {
        hash = default;
        HashAlgorithmId algorithm;
        switch (text.Length)
        {
            case HexLength: algorithm = HashAlgorithmId.Sha1; break;
            case HexLength + 7: algorithm = HashAlgorithmId.Rmd160; break;
            case HexLength + 9: algorithm = HashAlgorithmId.Shake128; break;
            default: return false;
        }

        if (!text[HexLength..].SequenceEqual(algorithm.Text())) return false;
        Span<byte> digest = stackalloc byte[Size];
        for (var i = 0; i < Size; i++)
        {
            int high = LowerHexDigit(text[2 * i]), low = LowerHexDigit(text[2 * i + 1]);
            if ((high | low) < 0) return false;
            digest[i] = (byte)(high << 4 | low);
        }

        hash = new ObjectHash(algorithm, digest);
        return true;
    }

    /// <summary>Hex digits and algorithm id, without suffix letter.</summary>
    public override string ToString()
    {
        Span<byte> digest = stackalloc byte[Size];
        CopyTo(digest);
        return Convert.ToHexStringLower(digest) + Algorithm.Text();
    }

    /// <summary>Orders by digest bytes, then by algorithm.</summary>
    public int CompareTo(ObjectHash other)
    {
        var order = _first.CompareTo(other._first);
        if (order == 0) order = _second.CompareTo(other._second);
        if (order == 0) order = _last.CompareTo(other._last);
        return order != 0 ? order : Algorithm.CompareTo(other.Algorithm);
    }

    public static bool operator <(ObjectHash left, ObjectHash right) => left.CompareTo(right) < 0;

    public static bool operator >(ObjectHash left, ObjectHash right) => left.CompareTo(right) > 0;

    public static bool operator <=(ObjectHash left, ObjectHash right) => left.CompareTo(right) <= 0;

    public static bool operator >=(ObjectHash left, ObjectHash right) => left.CompareTo(right) >= 0;

    private static int LowerHexDigit(char c) => c switch
    {
        >= '0' and <= '9' => c - '0',
        >= 'a' and <= 'f' => c - 'a' + 10,
        _ => -1,
    };
}
