using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>The rules one catalog file has to keep on its own; no other file is looked at.</summary>
public static class CatalogRules
{
    /// <summary>Checks properties, rows, chunk rows, link counts, attributes, flags, registrations and the <c>self_</c> counters.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="context">Where it stands.</param>
    /// <param name="report">Takes each finding, on the calling thread.</param>
    /// <param name="needs">Takes each object a row needs, repeated ones too; null where nobody wants to know.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    public static CatalogSummary Check(
        CatalogView catalog, CatalogContext context, Action<Finding> report, Action<ObjectReference>? needs = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();
}
