namespace CvmfsNix.Cluster.Node.Errors;

/// <summary>What a caller is told when a request was not done, on every surface of the node.</summary>
/// <param name="Code">Stable name.</param>
/// <param name="Message">A sentence.</param>
/// <param name="What">The path, transaction, repository or setting it is about; may be empty.</param>
/// <param name="Hint">What to do; null when there is nothing.</param>
/// <param name="RetryAfter">When to try again; null = no advice.</param>
public sealed record NodeError(string Code, string Message, string What, string? Hint = null, TimeSpan? RetryAfter = null)
{
    /// <summary><see cref="RetryAfter"/> in milliseconds; 0 = no advice.</summary>
    public long RetryAfterMilliseconds => (long)(RetryAfter?.TotalMilliseconds ?? 0);
}

/// <summary>Carries a <see cref="NodeError"/> of the gateway's own to the surface that answers.</summary>
public sealed class NodeException(NodeError error, Exception? inner = null) : Exception(error.Message, inner)
{
    public NodeError Error { get; } = error;
}
