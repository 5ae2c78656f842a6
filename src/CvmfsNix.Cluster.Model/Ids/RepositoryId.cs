using System.Diagnostics.CodeAnalysis;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Model.Ids;

/// <summary>The fully qualified name of a repository, checked when made: safe as a folder name and inside a persistence id.</summary>
public readonly record struct RepositoryId
{
    private readonly string? _value;

    private RepositoryId(string value) => _value = value;

    /// <summary>The name; empty only for the default value.</summary>
    public string Value => _value ?? "";

    /// <summary>Checks and takes a name.</summary>
    /// <exception cref="FormatException">It is no repository name.</exception>
    public static RepositoryId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is no repository name: 1 to 60 letters, digits, dots, dashes or underscores, as in nix.example.org.");

    /// <summary>As <see cref="Parse"/>, with false instead of an error.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out RepositoryId id)
    {
        bool valid = text is not null && RepositoryName.IsValid(text);
        id = valid ? new RepositoryId(text!) : default;
        return valid;
    }

    public override string ToString() => Value;
}
