namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>Why a transaction was refused for good.</summary>
/// <param name="Code">Stable name, as <c>StorePathConflict</c> or <c>MissingReference</c>.</param>
/// <param name="Message">One sentence.</param>
/// <param name="What">The store path or setting it is about.</param>
/// <param name="Hint">What to do; null where nothing useful can be said.</param>
public sealed record Rejection(string Code, string Message, string What, string? Hint);
