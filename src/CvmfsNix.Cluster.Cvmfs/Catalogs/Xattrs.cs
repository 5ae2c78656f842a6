namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>
/// Extended attributes as one blob:
/// <code>
/// blob  = version(1) count(1..255) entry*
/// entry = key-length(1..255) value-length(0..255) key value
/// </code>
/// Every number is one byte. No attributes is no blob at all, never an empty one.
/// </summary>
public static class Xattrs
{
    /// <summary>Most attributes, and longest key and value in bytes.</summary>
    public const int Max = 255;

    private const byte Version = 1;

    /// <summary>Encodes, keys sorted bytewise; null for an empty list.</summary>
    /// <exception cref="ArgumentException">Too many, too long, an empty key, a NUL in a key, or the same key twice.</exception>
    public static byte[]? Encode(IReadOnlyList<(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value)> attributes)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        if (attributes.Count == 0) return null;
        if (attributes.Count > Max) throw new ArgumentException($"{attributes.Count} extended attributes are more than the allowed {Max}.", nameof(attributes));
        var sorted = attributes.ToArray();
        Array.Sort(sorted, (a, b) => a.Key.Span.SequenceCompareTo(b.Key.Span));
        using var blob = new MemoryStream();
        blob.WriteByte(Version);
        blob.WriteByte((byte)sorted.Length);
        for (var i = 0; i < sorted.Length; i++)
        {
            var (key, value) = sorted[i];
            if (!IsKey(key.Span)) throw new ArgumentException($"The key of an extended attribute has 1 to {Max} bytes and no NUL; one has {key.Length} bytes.", nameof(attributes));
            if (value.Length > Max) throw new ArgumentException($"The value of an extended attribute has at most {Max} bytes; one has {value.Length}.", nameof(attributes));
            if (i > 0 && sorted[i - 1].Key.Span.SequenceEqual(key.Span)) throw new ArgumentException("The same extended attribute is given twice.", nameof(attributes));
            blob.WriteByte((byte)key.Length);
            blob.WriteByte((byte)value.Length);
            blob.Write(key.Span);
            blob.Write(value.Span);
        }

        return blob.ToArray();
    }

    /// <summary>Decodes a blob, in its own order; false unless it is well-formed to the last byte.</summary>
    public static bool TryDecode(ReadOnlyMemory<byte> blob, out IReadOnlyList<(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value)> attributes)
    {
        attributes = [];
        var bytes = blob.Span;
        if (bytes.Length < 2 || bytes[0] != Version || bytes[1] == 0) return false;
        var found = new List<(ReadOnlyMemory<byte>, ReadOnlyMemory<byte>)>(bytes[1]);
        var at = 2;
        for (var i = 0; i < bytes[1]; i++)
        {
            if (bytes.Length - at < 2) return false;
            int keyLength = bytes[at], valueLength = bytes[at + 1];
            at += 2;
            if (bytes.Length - at < keyLength + valueLength || !IsKey(bytes.Slice(at, keyLength))) return false;
            found.Add((blob.Slice(at, keyLength), blob.Slice(at + keyLength, valueLength)));
            at += keyLength + valueLength;
        }

        if (at != bytes.Length) return false;
        attributes = found;
        return true;
    }

    private static bool IsKey(ReadOnlySpan<byte> key) => key.Length is >= 1 and <= Max && !key.Contains((byte)0);
}
