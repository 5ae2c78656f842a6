using CvmfsNix.Cluster.Cvmfs.Hashing;
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
        CatalogView catalog, CatalogContext context, Action<Finding> report, Action<ObjectReference>? needs = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(report);
        cancellationToken.ThrowIfCancellationRequested();
        catalog.Database.InterruptBy(cancellationToken);
        try
        {
            return Check(catalog, context, report, needs);
        }
        catch (UnreadableDatabaseException e)
        {
            // Sound when it was opened, but some of its content SQLite refuses.
            report(new Finding(e.Rule, context.Path.ToString(), context.Hash?.ToString(), null, e.Message));
            return new CatalogSummary();
        }
    }

    private static CatalogSummary Check(CatalogView catalog, CatalogContext context, Action<Finding> report, Action<ObjectReference>? needs)
    {
        void Say(string rule, string message) => report(new Finding(rule, context.Path.ToString(), context.Hash?.ToString(), null, message));

        if (catalog.Database.Columns("properties") is var columns && !(columns.Contains("key") && columns.Contains("value")))
        {
            Say(VerifyRules.CatalogSchema, "There is no table properties with the columns key and value.");
            return new CatalogSummary();
        }

        var properties = PropertyRules.Read(CatalogTables.Properties(catalog.Database), context, Say);
        if (properties.SchemaFault is { } schemaFault)
        {
            Say(VerifyRules.CatalogSchema, schemaFault);
            return new CatalogSummary();
        }

        var summary = new CatalogSummary
        {
            Revision = properties.Revision,
            LastModified = properties.LastModified,
            TtlSeconds = properties.TtlSeconds,
            PreviousRevision = properties.PreviousRevision,
        };
        if (CatalogTables.Open(catalog.Database, properties.SchemaRevision, out string fault) is not { } tables)
        {
            Say(VerifyRules.CatalogSchema, $"This is not schema 2.5 of revision {properties.SchemaRevision}: {fault}.");
            return summary;
        }

        if (tables.OddlyTypedRows() is > 0 and var odd)
        {
            Say(VerifyRules.CatalogSchema, $"{odd} rows hold no whole number where one belongs.");
            return summary with { Entries = tables.CountRows() };
        }

        var scope = new CatalogScope(tables, context, report);
        if (tables.IndexFault() is { } indexFault)
        {
            DuplicateRows(scope, indexFault);
            return summary with { Entries = tables.CountRows() };
        }

        return CheckRows(scope, summary, properties.SchemaRevision, needs);
    }

    private static CatalogSummary CheckRows(CatalogScope scope, CatalogSummary summary, long schemaRevision, Action<ObjectReference>? needs)
    {
        HardlinkRules.Check(scope);
        RegistrationRules registrations = RegistrationRules.Read(scope);
        CatalogRow? root = new TreeWalk(scope, registrations, needs).Run();
        IReadOnlyList<NestedReference> nested = registrations.Finish();
        ChunkRules.CheckOwners(scope);
        long links = LinkRules.Report(scope);
        CounterRules.Stored? stored = CounterRules.Read(scope, schemaRevision);
        CounterSet counted = CounterRules.Count(scope.Tables);
        CounterRules.Compare(scope, stored, counted, links);
        return summary with
        {
            Entries = scope.Tables.CountRows(),
            RootRow = root?.ToTransition(),
            RootRowIsReported = scope.RootRowIsReported,
            RootLinkCountIsWrong = scope.LinkCounts.Any(l => l.Path == scope.Context.Path),
            Self = stored?.Self,
            Subtree = stored?.Subtree,
            Counted = counted,
            Nested = nested,
            NestedAreComplete = registrations.AreComplete,
        };
    }

    // Without its index the same path may be there twice, which says more than the index. Nothing else is looked at then.
    private static void DuplicateRows(CatalogScope scope, string indexFault)
    {
        using Sqlite.Statement rows = scope.Tables.Database.Rent("SELECT min(rowid), count(*) FROM catalog GROUP BY md5path_1, md5path_2 HAVING count(*) > 1 ORDER BY 1 LIMIT 100");
        bool found = false;
        while (rows.Step())
        {
            found = true;
            string? name = scope.Tables.FindRow(rows.Integer(0)) is { } row ? scope.PathOf(row) : null;
            scope.Report(VerifyRules.DuplicateName, name, $"{rows.Integer(1)} rows are of this path.");
        }

        if (!found)
            scope.Report(VerifyRules.CatalogSchema, scope.Context.Path.ToString(), $"An index is missing: {indexFault}.");
    }
}
