using System.Diagnostics.CodeAnalysis;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Kinds of what a credential can allow.</summary>
public enum ScopeKind
{
    /// <summary>To look at everything.</summary>
    Read,

    /// <summary>To publish to a repository, by the command line or by stock Nix, and to look at it.</summary>
    Publish,

    /// <summary>To follow a repository as a mirror.</summary>
    Replicate,

    /// <summary>To look, and to change how the cluster runs.</summary>
    Operate,

    /// <summary>Everything.</summary>
    Admin,
}

/// <summary>Something a credential allows, as <c>read</c> or <c>publish:software.example.org</c>.</summary>
/// <param name="Kind">What.</param>
/// <param name="Repository">Fully qualified name, or <see cref="Any"/>; empty for kinds that are not about a repository.</param>
public readonly record struct Scope(ScopeKind Kind, string Repository = "")
{
    /// <summary>Stands for every repository, also those that are created later.</summary>
    public const string Any = "*";

    private const string PublishPrefix = "publish:";
    private const string ReplicatePrefix = "replicate:";

    /// <summary>How scopes are written, for messages.</summary>
    public const string Grammar = "publish:FQRN, replicate:FQRN (or * for every repository), read, operate, admin";

    /// <summary>Reads a scope.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Scope scope)
    {
        scope = default;
        switch (text)
        {
            case null:
                return false;
            case "read":
                scope = new Scope(ScopeKind.Read);
                return true;
            case "operate":
                scope = new Scope(ScopeKind.Operate);
                return true;
            case "admin":
                scope = new Scope(ScopeKind.Admin);
                return true;
        }

        bool publish = text.StartsWith(PublishPrefix, StringComparison.Ordinal);
        if (!publish && !text.StartsWith(ReplicatePrefix, StringComparison.Ordinal))
            return false;
        string repository = text[(publish ? PublishPrefix : ReplicatePrefix).Length..];
        scope = new Scope(publish ? ScopeKind.Publish : ScopeKind.Replicate, repository);
        return repository == Any || RepositoryName.IsValid(repository);
    }

    /// <summary>Reads scopes with blanks or commas between.</summary>
    /// <param name="text">At least one scope.</param>
    /// <param name="scopes">What it says, each once.</param>
    /// <param name="wrong">The first word that is none; empty when there is no word.</param>
    public static bool TryParseList(string text, out IReadOnlyList<Scope> scopes, out string wrong)
    {
        ArgumentNullException.ThrowIfNull(text);
        var found = new List<Scope>();
        (scopes, wrong) = (found, "");
        foreach (string word in text.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            if (!TryParse(word, out Scope scope))
            {
                wrong = word;
                return false;
            }

            if (!found.Contains(scope))
                found.Add(scope);
        }

        return found.Count > 0;
    }

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        ScopeKind.Publish => PublishPrefix + Repository,
        ScopeKind.Replicate => ReplicatePrefix + Repository,
        ScopeKind.Operate => "operate",
        ScopeKind.Admin => "admin",
        _ => "read",
    };
}
