using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>
/// Looks at a nested catalog where it is built: there it costs its builder, in parallel, and not the one who commits. From then on its
/// name, the digest of its bytes, stands for what was found.
/// </summary>
internal static class NestedCatalogGuard
{
    /// <summary>Checks a path's catalog, if it has one, and what its record says of it.</summary>
    /// <exception cref="CommitNotValidException">The catalog must not be published.</exception>
    public static void Check(BuiltPath built, RepositoryPath path)
    {
        if (built.StoredCatalog is not { } stored || built.Record.Nested is not { } record)
            return;
        var context = new CatalogContext(path, record.Hash);
        Finding? first = null;
        CatalogSummary summary;
        try
        {
            byte[] plain = ObjectCompression.Decompress(stored.Span, record.Size);
            Require(plain.Length == record.Size, VerifyRules.CatalogSize, path, $"The catalog has {plain.Length} bytes, its record says {record.Size}.");
            using CatalogView view = CatalogView.FromBytes(plain);
            summary = CatalogRules.Check(view, context, finding => first ??= finding);
        }
        catch (UnreadableDatabaseException e)
        {
            throw new CommitNotValidException(e.Rule, path.ToString(), e.Message);
        }

        first ??= TransitionRules.CompareCounters(GuardSql.Counters(record.Total), summary.Self!.Plus(summary.Subtree!), context);
        if (first is not null)
            throw new CommitNotValidException(first.Rule, first.Path ?? path.ToString(), first.Message);
        Require(summary.RootRow!.LinkCount == record.LinkCount, VerifyRules.TransitionRow, path, $"The catalog's root has {summary.RootRow.LinkCount} links, its record says {record.LinkCount}.");
        Require(summary.Nested.Count == 0, VerifyRules.NestedRegistration, path, "A store path's catalog has catalogs below it.");
    }

    private static void Require(bool holds, string rule, RepositoryPath path, string message)
    {
        if (!holds)
            throw new CommitNotValidException(rule, path.ToString(), message);
    }
}
