using System.Buffers.Binary;
using CvmfsNix.Cluster.Nix.Encoding;

namespace CvmfsNix.Cluster.Nix.Hashing;

/// <summary>
/// A SHA-256 digest as Nix writes it: of the NAR of a store path, or of the file that carries the NAR.
/// A value of 32 bytes without a heap object. The default value is 32 zero bytes.
/// </summary>
public readonly record struct NarHash : IComparable<NarHash>
{
    /// <summary>Size of the digest in bytes.</summary>
    public const int Size = 32;

    private const string Algorithm = "sha256";

    // Big-endian words, so that the order of the words is the order of the bytes.
    private readonly ulong _word0, _word1, _word2, _word3;

    /// <summary>Takes exactly 32 bytes.</summary>
    public NarHash(ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Size)
            throw new ArgumentException($"A SHA-256 digest has {Size} bytes, not {digest.Length}.", nameof(digest));
        _word0 = BinaryPrimitives.ReadUInt64BigEndian(digest);
        _word1 = BinaryPrimitives.ReadUInt64BigEndian(digest[8..]);
        _word2 = BinaryPrimitives.ReadUInt64BigEndian(digest[16..]);
        _word3 = BinaryPrimitives.ReadUInt64BigEndian(digest[24..]);
    }

    /// <summary>Writes the 32 bytes to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _word0);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _word1);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _word2);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _word3);
    }

    /// <summary>The 32 bytes in a new array.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Order of the digests as byte strings.</summary>
    public int CompareTo(NarHash other)
    {
        int order = _word0.CompareTo(other._word0);
        if (order == 0)
            order = _word1.CompareTo(other._word1);
        if (order == 0)
            order = _word2.CompareTo(other._word2);
        return order != 0 ? order : _word3.CompareTo(other._word3);
    }

    public static bool operator <(NarHash left, NarHash right) => left.CompareTo(right) < 0;

    public static bool operator >(NarHash left, NarHash right) => left.CompareTo(right) > 0;

    public static bool operator <=(NarHash left, NarHash right) => left.CompareTo(right) <= 0;

    public static bool operator >=(NarHash left, NarHash right) => left.CompareTo(right) >= 0;

    /// <summary><c>sha256:</c> and 52 nix32 digits, the form of narinfo files.</summary>
    public override string ToString() => Algorithm + ":" + ToNix32();

    /// <summary>52 nix32 digits without a prefix.</summary>
    public string ToNix32()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Nix32.Encode(bytes);
    }

    /// <summary>64 lower-case hexadecimal digits without a prefix, the form of registrations.</summary>
    public string ToHex()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary><c>sha256-</c> and base 64 with padding, the form of JSON documents.</summary>
    public string ToSri()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Algorithm + "-" + Convert.ToBase64String(bytes);
    }

    /// <summary>Reads <c>sha256:</c> with hex, nix32 or base 64 (told apart by length), or SRI <c>sha256-</c> with base 64.</summary>
    /// <exception cref="FormatException">The text is none of these.</exception>
    public static NarHash Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (TryParse(text, out NarHash hash))
            return hash;
        string shown = text.Length <= 100 ? text : string.Concat(text.AsSpan(0, 100), "…");
        throw new FormatException($"\"{shown}\" is not a SHA-256 hash: expected sha256:<64 hex | 52 nix32 | 44 base64> or sha256-<base64>.");
    }

    /// <summary>As <see cref="Parse"/>, with false instead of an error.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out NarHash hash)
    {
        hash = default;
        if (text.Length <= Algorithm.Length || !text.StartsWith(Algorithm, StringComparison.Ordinal))
            return false;
        ReadOnlySpan<char> digest = text[(Algorithm.Length + 1)..];
        return text[Algorithm.Length] switch
        {
            ':' => TryParseDigest(digest, out hash),
            '-' => digest.Length == 44 && TryParseDigest(digest, out hash),
            _ => false,
        };
    }

    /// <summary>Reads the digest alone: 64 hex, 52 nix32 or 44 base 64 characters.</summary>
    public static bool TryParseDigest(ReadOnlySpan<char> digest, out NarHash hash)
    {
        hash = default;
        Span<byte> bytes = stackalloc byte[Size];
        bool valid = digest.Length switch
        {
            64 => Convert.FromHexString(digest, bytes, out _, out int written) == System.Buffers.OperationStatus.Done && written == Size,
            52 => Nix32.TryDecode(digest, bytes),
            44 => TryDecodeBase64(digest, bytes),
            _ => false,
        };
        if (valid)
            hash = new NarHash(bytes);
        return valid;
    }

    // The framework skips white space and ignores surplus bits; one value must have one text, so the text is compared.
    private static bool TryDecodeBase64(ReadOnlySpan<char> digest, Span<byte> bytes)
    {
        Span<char> again = stackalloc char[44];
        return Convert.TryFromBase64Chars(digest, bytes, out int written) && written == Size
            && Convert.TryToBase64Chars(bytes, again, out _) && digest.SequenceEqual(again);
    }
}
