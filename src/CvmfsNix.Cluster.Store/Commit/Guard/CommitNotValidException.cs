namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>A revision was built that breaks a rule; it must not be appended. A defect of ours, not the builder's.</summary>
/// <param name="rule">Name of the rule, as the checker of repositories has it, or one of <see cref="GuardRules"/>.</param>
/// <param name="path">Path or file it is about.</param>
/// <param name="message">What is there and what is expected.</param>
public sealed class CommitNotValidException(string rule, string path, string message)
    : Exception($"Rule {rule} is broken at {path}: {message}")
{
    /// <summary>Name of the rule.</summary>
    public string Rule { get; } = rule;

    /// <summary>Path or file.</summary>
    public string Path { get; } = path;
}

/// <summary>Rules that only a commit can break; those of what is published are the checker's.</summary>
public static class GuardRules
{
    /// <summary>The rows of a revision are those of the head and those its transactions bring.</summary>
    public const string Delta = "commit-delta";

    /// <summary>Revision, times and hashes in catalogs, manifest and tag database are those of this commit.</summary>
    public const string Head = "commit-head";

    /// <summary>What was stored is what was built.</summary>
    public const string Stored = "commit-stored";
}
