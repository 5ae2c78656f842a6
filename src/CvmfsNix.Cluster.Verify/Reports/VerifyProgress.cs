namespace CvmfsNix.Cluster.Verify.Reports;

/// <summary>How far a check is. Totals grow while catalogs are still being found.</summary>
/// <param name="CatalogsDone">Catalogs read.</param>
/// <param name="CatalogsKnown">Catalogs known of.</param>
/// <param name="Entries">Rows seen.</param>
/// <param name="ObjectsDone">Objects of files and chunks asked for.</param>
/// <param name="ObjectsKnown">Objects of files and chunks known of.</param>
/// <param name="Bytes">Stored bytes read.</param>
/// <param name="NarPathsDone">Store paths compared with their NAR hash.</param>
/// <param name="NarPathsKnown">Store paths to be compared.</param>
/// <param name="Findings">Findings so far.</param>
public readonly record struct VerifyProgress(
    long CatalogsDone, long CatalogsKnown, long Entries, long ObjectsDone, long ObjectsKnown, long Bytes, long NarPathsDone, long NarPathsKnown, long Findings);
