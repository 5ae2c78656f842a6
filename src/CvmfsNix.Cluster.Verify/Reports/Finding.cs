namespace CvmfsNix.Cluster.Verify.Reports;

/// <summary>One thing that is wrong.</summary>
/// <param name="Rule">One of <see cref="Rules.VerifyRules"/>.</param>
/// <param name="Path">Path in the repository, <c>/</c> for its root, or the top-level file it is about (<c>.cvmfspublished</c>); null where neither fits.</param>
/// <param name="Catalog">Hash of the catalog that holds the row, or null.</param>
/// <param name="Object">Name of the object with its suffix letter, or null.</param>
/// <param name="Message">What is there and what is expected.</param>
public sealed record Finding(string Rule, string? Path, string? Catalog, string? Object, string Message);
