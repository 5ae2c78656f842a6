using CvmfsNix.Cluster.Nix.Encoding;

namespace CvmfsNix.Cluster.Nix.StorePaths;

/// <summary>
/// The base name of a store path, <c>&lt;32 nix32 digits&gt;-&lt;name&gt;</c>, checked when made. The store directory is
/// kept apart (<see cref="StoreDirectory"/>). Compared and ordered as bytes. The default value is no name: its text is empty.
/// </summary>
public readonly record struct StorePathName : IComparable<StorePathName>
{
    /// <summary>Digits of the hash part.</summary>
    public const int HashLength = 32;

    /// <summary>Bytes of the hash part.</summary>
    public const int HashSize = 20;

    /// <summary>Longest name after the dash, in characters (all ASCII).</summary>
    public const int MaxNameLength = 211;

    private readonly string? _value;

    private StorePathName(string value) => _value = value;

    /// <summary>The whole base name.</summary>
    public string Value => _value ?? "";

    /// <summary>The 32 digits before the dash.</summary>
    public string HashPart => Value.Length == 0 ? "" : Value[..HashLength];

    /// <summary>What follows the dash.</summary>
    public string Name => Value.Length == 0 ? "" : Value[(HashLength + 1)..];

    /// <summary>Makes the base name from the 20 bytes of the hash part and a name.</summary>
    /// <exception cref="StorePathFormatException">The name is not legal.</exception>
    public static StorePathName Create(ReadOnlySpan<byte> hash, string name)
    {
        if (hash.Length != HashSize)
            throw new ArgumentException($"The hash of a store path has {HashSize} bytes, not {hash.Length}.", nameof(hash));
        return Parse(Nix32.Encode(hash) + "-" + name);
    }

    /// <summary>Reads a base name.</summary>
    /// <exception cref="StorePathFormatException">It breaks a rule; the message says which.</exception>
    public static StorePathName Parse(string baseName)
    {
        ArgumentNullException.ThrowIfNull(baseName);
        return Problem(baseName) is { } problem
            ? throw new StorePathFormatException(baseName, problem)
            : new StorePathName(baseName);
    }

    /// <summary>As <see cref="Parse"/>, with false instead of an error.</summary>
    public static bool TryParse(ReadOnlySpan<char> baseName, out StorePathName name)
    {
        bool valid = Problem(baseName) is null;
        name = valid ? new StorePathName(baseName.ToString()) : default;
        return valid;
    }

    /// <summary>What is wrong with <paramref name="name"/> as the part after the dash, or null.</summary>
    public static string? NameProblem(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty)
            return "the name is empty";
        if (name.Length > MaxNameLength)
            return $"the name has more than {MaxNameLength} characters";
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && !"+-._?=".Contains(c, StringComparison.Ordinal))
                return $"the name holds the character U+{(int)c:X4}; legal are letters, digits and + - . _ ? =";
        }

        if (name is "." or ".." || name.StartsWith(".-", StringComparison.Ordinal) || name.StartsWith("..-", StringComparison.Ordinal))
            return "the name is or starts like a relative directory";
        return null;
    }

    public int CompareTo(StorePathName other) => string.CompareOrdinal(Value, other.Value);

    public static bool operator <(StorePathName left, StorePathName right) => left.CompareTo(right) < 0;

    public static bool operator >(StorePathName left, StorePathName right) => left.CompareTo(right) > 0;

    public static bool operator <=(StorePathName left, StorePathName right) => left.CompareTo(right) <= 0;

    public static bool operator >=(StorePathName left, StorePathName right) => left.CompareTo(right) >= 0;

    public override string ToString() => Value;

    private static string? Problem(ReadOnlySpan<char> baseName)
    {
        Span<byte> hash = stackalloc byte[HashSize];
        if (baseName.Length <= HashLength || baseName[HashLength] != '-')
            return $"expected {HashLength} nix32 digits, a dash and a name";
        if (!Nix32.TryDecode(baseName[..HashLength], hash))
            return $"the first {HashLength} characters are not nix32 digits";
        return NameProblem(baseName[(HashLength + 1)..]);
    }
}
