namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>A path cannot be published as it is on disk.</summary>
/// <param name="code">Stable name: <c>NarHashMismatch</c>, <c>InvalidTree</c> or <c>FileChanged</c>.</param>
/// <param name="what">The store path or file.</param>
/// <param name="message">What is wrong with it.</param>
/// <param name="hint">What to do.</param>
public sealed class IngestException(string code, string what, string message, string hint) : Exception(message)
{
    /// <summary>Stable name.</summary>
    public string Code { get; } = code;

    /// <summary>The store path or file.</summary>
    public string What { get; } = what;

    /// <summary>What to do.</summary>
    public string Hint { get; } = hint;
}
