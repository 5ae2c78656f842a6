using System.Diagnostics.CodeAnalysis;

namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>The name a mirror goes by, the same for all of its repositories, checked when made: 1 to 64 letters, digits, dots, dashes or underscores.</summary>
public readonly record struct ReplicaId
{
    private const int LengthMax = 64;

    private readonly string? _value;

    private ReplicaId(string value) => _value = value;

    /// <summary>The name; empty only for the default value.</summary>
    public string Value => _value ?? "";

    /// <summary>Checks and takes a name.</summary>
    /// <exception cref="FormatException">It is no replica id.</exception>
    public static ReplicaId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is no replica id: 1 to {LengthMax} letters, digits, dots, dashes or underscores.");

    /// <summary>As <see cref="Parse"/>, with false instead of an error.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out ReplicaId id)
    {
        bool valid = IsName(text);
        id = valid ? new ReplicaId(text!) : default;
        return valid;
    }

    /// <summary>Whether a text may name a replica; sites are named by the same rule.</summary>
    public static bool IsName([NotNullWhen(true)] string? text) =>
        text is { Length: > 0 and <= LengthMax } && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    public override string ToString() => Value;
}
