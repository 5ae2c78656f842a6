namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>An uploaded object was not taken, and with it none of its pack.</summary>
/// <param name="code">One of <see cref="StagingRejectionCodes"/>.</param>
/// <param name="what">The object.</param>
/// <param name="message">What is wrong and what to do.</param>
/// <param name="inner">What failed below, if anything.</param>
public sealed class StagingRejectedException(string code, string what, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>One of <see cref="StagingRejectionCodes"/>.</summary>
    public string Code { get; } = code;

    /// <summary>The object.</summary>
    public string What { get; } = what;
}

/// <summary>The stable names of the reasons an object is refused for.</summary>
public static class StagingRejectionCodes
{
    /// <summary>A catalog, tag database, certificate or metainfo object: the repository makes those itself.</summary>
    public const string ForbiddenObject = "ForbiddenObject";

    /// <summary>The bytes are not those of the name, or cannot be inflated to what the header says.</summary>
    public const string ObjectCorrupt = "ObjectCorrupt";

    /// <summary>The transaction has more objects than the node allows.</summary>
    public const string TransactionTooLarge = "TransactionTooLarge";
}
