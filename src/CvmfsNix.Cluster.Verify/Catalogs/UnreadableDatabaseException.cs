namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>A database cannot be checked, because it cannot be read.</summary>
/// <param name="rule">The rule this breaks.</param>
/// <param name="message">What is wrong.</param>
/// <param name="inner">The cause.</param>
public sealed class UnreadableDatabaseException(string rule, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The rule this breaks.</summary>
    public string Rule { get; } = rule;
}
