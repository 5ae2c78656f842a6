using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>The counters of a catalog, as stored and as counted from its rows.</summary>
internal static class CounterRules
{
    private const int CountersMax = 1000;

    // Older catalogs do not have all of them.
    private const long RevisionWithAll = 5;

    /// <summary>The stored counters.</summary>
    public sealed record Stored(CounterSet Self, CounterSet Subtree);

    /// <summary>Reads the stored counters; null, and a finding where the revision demands them, when not all are there.</summary>
    public static Stored? Read(CatalogScope scope, long schemaRevision)
    {
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        using (Statement rows = scope.Tables.Database.Rent($"SELECT counter, value FROM statistics WHERE typeof(value)='integer' LIMIT {CountersMax}"))
        {
            while (rows.Step())
                values[rows.String(0)] = rows.Integer(1);
        }

        string[] missing = [.. CounterSet.Names.SelectMany(n => new[] { "self_" + n, "subtree_" + n }).Where(n => !values.ContainsKey(n))];
        if (missing.Length == 0)
            return new Stored(Take("self_"), Take("subtree_"));
        if (schemaRevision >= RevisionWithAll)
            scope.Report(VerifyRules.CountersMissing, scope.Context.Path.ToString(), $"These counters are missing or no numbers: {string.Join(", ", missing)}.");
        return null;

        CounterSet Take(string prefix) => CounterSet.Of([.. CounterSet.Names.Select(n => values[prefix + n])]);
    }

    /// <summary>Counts the rows, those that cannot be reached too.</summary>
    public static CounterSet Count(CatalogTables tables)
    {
        string xattr = tables.Database.Columns("catalog").Contains("xattr") ? "sum(length(xattr) > 0)" : "0";
        using Statement row = tables.Database.Rent(
            $"""
            SELECT sum(t=32768), sum(t=40960), sum(t IN (4096, 8192, 24576, 49152)), sum(t=16384), (SELECT count(*) FROM nested_catalogs),
              sum(t=32768 AND flags & 64), (SELECT count(*) FROM chunks), sum(iif(t=32768, size, 0)), sum(iif(t=32768 AND flags & 64, size, 0)), {xattr},
              sum(t=32768 AND flags & 128), sum(iif(t=32768 AND flags & 128, size, 0))
            FROM (SELECT *, mode & 61440 AS t FROM catalog)
            """);
        row.Step();
        var values = new long[CounterSet.Names.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = row.Integer(i);
        return CounterSet.Of(values);
    }

    /// <summary>Reports differences that no other finding explains, all in one.</summary>
    /// <param name="scope">The catalog.</param>
    /// <param name="stored">What it says.</param>
    /// <param name="counted">What it holds.</param>
    /// <param name="linksOff">What reported link counts are off by: a directory row too few or too many shows in both.</param>
    public static void Compare(CatalogScope scope, Stored? stored, CounterSet counted, long linksOff)
    {
        if (stored is null)
            return;
        if (linksOff != 0 && stored.Self["dir"] - counted["dir"] == linksOff)
            scope.Doubtful.Add("dir");
        string difference = stored.Self.Difference(counted, "self_", scope.Doubtful);
        if (difference.Length > 0)
            scope.Report(VerifyRules.SelfCounters, scope.Context.Path.ToString(), $"The rows add up to something else: {difference}.");
    }

    /// <summary>True when a finding of this class names sizes alone, which a row with a wrong size explains.</summary>
    public static bool IsAboutSizesAlone(Reports.Finding finding) =>
        CounterSet.Names.Where(n => !n.EndsWith("_size", StringComparison.Ordinal)).All(n => !finding.Message.Contains($"self_{n} is", StringComparison.Ordinal));
}
