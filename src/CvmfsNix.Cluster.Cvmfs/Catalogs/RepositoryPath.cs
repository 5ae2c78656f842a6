using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>
/// Path inside a repository as raw bytes: empty for the root, else <c>/a/b</c> without trailing slash. Never interpreted as text and never
/// normalised; components are not empty, not <c>.</c> or <c>..</c>, and hold no NUL. Orders and compares bytewise. The default value is the root.
/// </summary>
public readonly struct RepositoryPath : IEquatable<RepositoryPath>, IComparable<RepositoryPath>
{
    /// <summary>Longest path in bytes, as on Linux.</summary>
    public const int LengthMax = 4096;

    /// <summary>The repository's root directory.</summary>
    public static readonly RepositoryPath Root;

    private readonly ReadOnlyMemory<byte> _bytes;

    /// <summary>Wraps the bytes without copying them; the caller must not change them afterwards.</summary>
    /// <exception cref="FormatException">Not a repository path.</exception>
    public RepositoryPath(ReadOnlyMemory<byte> bytes)
    {
        if (Fault(bytes.Span) is { } fault) throw new FormatException($"'{Show(bytes.Span)}' is no repository path: {fault}.");
        _bytes = bytes;
    }

    private RepositoryPath(ReadOnlyMemory<byte> bytes, bool _) => _bytes = bytes;

    /// <summary>The raw bytes.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>True for the root directory.</summary>
    public bool IsRoot => _bytes.IsEmpty;

    /// <summary>Last component; empty for the root.</summary>
    public ReadOnlyMemory<byte> Name => IsRoot ? default : _bytes[(_bytes.Span.LastIndexOf((byte)'/') + 1)..];

    /// <summary>The directory this path is in; the root is its own parent.</summary>
    public RepositoryPath Parent => IsRoot ? Root : new RepositoryPath(_bytes[.._bytes.Span.LastIndexOf((byte)'/')], true);

    /// <summary>Key of the path in catalogs.</summary>
    public PathKey Key => PathKey.Of(_bytes.Span);

    /// <summary>Key of the parent as a catalog row holds it; <see cref="PathKey.None"/> for the root.</summary>
    internal PathKey ParentKey => IsRoot ? PathKey.None : Parent.Key;

    /// <summary>Reads a path from text; <c>""</c> and <c>/</c> are both the root.</summary>
    /// <exception cref="FormatException">Not a repository path.</exception>
    public static RepositoryPath Parse(string utf8Text)
    {
        ArgumentNullException.ThrowIfNull(utf8Text);
        return utf8Text == "/" ? Root : new RepositoryPath(Encoding.UTF8.GetBytes(utf8Text));
    }

    /// <summary>Wraps bytes if they are a repository path.</summary>
    public static bool TryCreate(ReadOnlyMemory<byte> bytes, out RepositoryPath path)
    {
        var good = Fault(bytes.Span) is null;
        path = good ? new RepositoryPath(bytes, true) : Root;
        return good;
    }

    /// <summary>Path of an entry of this directory.</summary>
    /// <exception cref="FormatException">The name is empty, has a slash or NUL, is <c>.</c> or <c>..</c>, or the path grows too long.</exception>
    public RepositoryPath Combine(ReadOnlySpan<byte> name)
    {
        if (NameFault(name) is { } fault) throw new FormatException($"'{Show(name)}' is no file name: {fault}.");
        var length = _bytes.Length + 1 + name.Length;
        if (length > LengthMax) throw new FormatException($"The path of '{Show(name)}' in '{this}' is longer than {LengthMax} bytes.");
        var bytes = new byte[length];
        _bytes.Span.CopyTo(bytes);
        bytes[_bytes.Length] = (byte)'/';
        name.CopyTo(bytes.AsSpan(_bytes.Length + 1));
        return new RepositoryPath(bytes, true);
    }

    /// <inheritdoc cref="Combine(ReadOnlySpan{byte})"/>
    public RepositoryPath Combine(string name) => Combine(Encoding.UTF8.GetBytes(name));

    /// <summary>True when this path is <paramref name="other"/> or lies below it, component by component.</summary>
    public bool IsAtOrBelow(RepositoryPath other)
    {
        var upper = other._bytes.Span;
        return _bytes.Span.StartsWith(upper) && (_bytes.Length == upper.Length || _bytes.Span[upper.Length] == (byte)'/');
    }

    /// <inheritdoc/>
    public bool Equals(RepositoryPath other) => _bytes.Span.SequenceEqual(other._bytes.Span);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is RepositoryPath other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_bytes.Span);
        return hash.ToHashCode();
    }

    /// <summary>Bytewise order.</summary>
    public int CompareTo(RepositoryPath other) => _bytes.Span.SequenceCompareTo(other._bytes.Span);

    /// <summary>Text for people: UTF-8 where valid, <c>/</c> for the root.</summary>
    public override string ToString() => IsRoot ? "/" : Encoding.UTF8.GetString(_bytes.Span);

    public static bool operator ==(RepositoryPath left, RepositoryPath right) => left.Equals(right);

    public static bool operator !=(RepositoryPath left, RepositoryPath right) => !left.Equals(right);

    public static bool operator <(RepositoryPath left, RepositoryPath right) => left.CompareTo(right) < 0;

    public static bool operator >(RepositoryPath left, RepositoryPath right) => left.CompareTo(right) > 0;

    public static bool operator <=(RepositoryPath left, RepositoryPath right) => left.CompareTo(right) <= 0;

    public static bool operator >=(RepositoryPath left, RepositoryPath right) => left.CompareTo(right) >= 0;

    /// <summary>What is wrong with a file name, or null.</summary>
    internal static string? NameFault(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty) return "it is empty";
        if (name.IndexOfAny((byte)'/', (byte)0) >= 0) return "it has a slash or a NUL";
        return name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) ? "'.' and '..' are reserved" : null;
    }

    private static string? Fault(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return null;
        if (bytes.Length > LengthMax) return $"it is longer than {LengthMax} bytes";
        if (bytes[0] != (byte)'/') return "it does not begin with a slash";
        foreach (var range in bytes[1..].Split((byte)'/'))
        {
            if (NameFault(bytes[1..][range]) is { } fault) return $"a component is bad, {fault}";
        }

        return null;
    }

    private static string Show(ReadOnlySpan<byte> bytes) => Excerpt.Of(Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, 400)]));
}
