using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Objects;

/// <summary>Name of a stored object: hash of the stored bytes and the suffix letter of its kind.</summary>
public readonly record struct ObjectName(ObjectHash Hash, ObjectKind Kind) : IComparable<ObjectName>
{
    private const string Folder = "data/";

    /// <summary>Path below the repository folder or URL, for example <c>data/ab/cdef…-shake128C</c>.</summary>
    public string RelativePath
    {
        get
        {
            var text = ToString();
            return string.Concat(Folder, text.AsSpan(0, 2), "/", text.AsSpan(2));
        }
    }

    /// <summary>Hash text followed by the suffix letter, if any.</summary>
    public override string ToString() => Kind == ObjectKind.Data ? Hash.ToString() : Hash.ToString() + (char)Kind;

    /// <summary>Reads hash text with optional suffix letter.</summary>
    /// <exception cref="FormatException">Not an object name.</exception>
    public static ObjectName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var name)
            ? name
            : throw new FormatException($"'{Excerpt.Of(text)}' is no object name: expected an object hash and one of the letters P, C, H, X, M or none.");
    }

    /// <summary>Reads hash text with optional suffix letter.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ObjectName name)
    {
        name = default;
        if (text.IsEmpty) return false;
        var kind = KindOf(text[^1]);
        if (!ObjectHash.TryParse(kind == ObjectKind.Data ? text : text[..^1], out var hash)) return false;
        name = new ObjectName(hash, kind);
        return true;
    }

    /// <summary>Reads the form of <see cref="RelativePath"/>; anything else, also a path that climbs or hides, is refused.</summary>
    public static bool TryParsePath(string relativePath, out ObjectName name)
    {
        ArgumentNullException.ThrowIfNull(relativePath);
        name = default;
        const int slash = 7;
        return relativePath.Length is > slash and < 80
            && relativePath.StartsWith(Folder, StringComparison.Ordinal)
            && relativePath[slash] == '/'
            && TryParse(string.Concat(relativePath.AsSpan(Folder.Length, 2), relativePath.AsSpan(slash + 1)), out name);
    }

    /// <summary>Orders by hash, then by kind.</summary>
    public int CompareTo(ObjectName other)
    {
        var order = Hash.CompareTo(other.Hash);
        return order != 0 ? order : Kind.CompareTo(other.Kind);
    }

    public static bool operator <(ObjectName left, ObjectName right) => left.CompareTo(right) < 0;

    public static bool operator >(ObjectName left, ObjectName right) => left.CompareTo(right) > 0;

    public static bool operator <=(ObjectName left, ObjectName right) => left.CompareTo(right) <= 0;

    public static bool operator >=(ObjectName left, ObjectName right) => left.CompareTo(right) >= 0;

    private static ObjectKind KindOf(char letter) => letter switch
    {
        'P' => ObjectKind.Chunk,
        'C' => ObjectKind.Catalog,
        'H' => ObjectKind.History,
        'X' => ObjectKind.Certificate,
        'M' => ObjectKind.MetaInfo,
        _ => ObjectKind.Data,
    };
}
