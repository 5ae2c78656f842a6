using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>
/// Rows that the walk did not reach, or met in a directory their key does not belong to. Where the key proves which directory a row belongs
/// to, its parent key is what is wrong; else its own key, or the directory is missing.
/// </summary>
internal sealed class StrayRows(CatalogScope scope, RowKey root)
{
    // Each of these rows is tried in every directory.
    private const int GroupsMax = 50;
    private const int RowsOfGroupMax = 4;

    /// <summary>Reports them.</summary>
    /// <param name="met">Rows met where their key does not belong.</param>
    /// <param name="reached">Rows that were reached.</param>
    public void Report(IReadOnlyList<Met> met, long reached)
    {
        List<Group> groups = Unreached();
        var wanted = new List<CatalogRow>();
        wanted.AddRange(met.Select(m => m.Row));
        wanted.AddRange(groups.SelectMany(g => g.Rows));
        Dictionary<RowKey, string> homes = wanted.Count == 0 ? [] : Homes(wanted);

        foreach ((CatalogRow row, string metAt, RowKey expected) in met)
        {
            if (homes.TryGetValue(row.Key, out string? home))
                scope.Report(VerifyRules.ParentKey, home, $"By its key the row belongs here, by its parent key it is {metAt}.");
            else
                scope.Report(VerifyRules.PathKey, metAt, TreeWalk.KeyMessage(row.Key, expected));
        }

        foreach (Group group in groups)
        {
            long homeless = group.Count;
            foreach (CatalogRow row in group.Rows.Where(r => homes.ContainsKey(r.Key)))
            {
                homeless--;
                scope.Report(VerifyRules.ParentKey, homes[row.Key], $"The parent key {row.Parent.First}, {row.Parent.Last} is that of no directory of this catalog.");
            }

            if (homeless > 0)
            {
                string example = Shown.Text(group.Rows.FirstOrDefault(r => !homes.ContainsKey(r.Key))?.Name ?? []);
                scope.Report(
                    VerifyRules.DanglingRow, null,
                    $"{homeless} rows, such as \"{example}\", name the parent key {group.Parent.First}, {group.Parent.Last}, which is that of no directory of this catalog.");
            }
        }

        // With all parents there, rows that are not reached can only be each other's parents.
        long unreached = scope.Tables.CountRows() - reached;
        if (groups.Count > 0 || met.Count > 0 || scope.Doubtful.Count > 0 || scope.RootRowIsReported || scope.TreeIsCut || unreached <= 0)
            return;
        scope.DirectoriesInDoubt += (int)Math.Min(unreached, int.MaxValue / 2);
        scope.Report(VerifyRules.DanglingRow, null, $"{unreached} rows cannot be reached from the catalog's root: they are below each other.");
    }

    private List<Group> Unreached()
    {
        var groups = new List<Group>();
        using Statement rows = scope.Tables.Database.Rent(
            $"""
            SELECT c.parent_1, c.parent_2, count(*) FROM catalog c
            WHERE NOT (c.md5path_1=?1 AND c.md5path_2=?2)
              AND NOT EXISTS (SELECT 1 FROM catalog p WHERE p.md5path_1=c.parent_1 AND p.md5path_2=c.parent_2 AND (p.mode & 61440)=16384)
            GROUP BY c.parent_1, c.parent_2 LIMIT {GroupsMax}
            """);
        rows.Integer(1, root.First).Integer(2, root.Last);
        while (rows.Step())
        {
            var parent = new RowKey(rows.Integer(0), rows.Integer(1));
            // Below a row of uncertain type, or below one whose own key is what is wrong.
            if (scope.UncertainRows.Contains(parent) || scope.MissedKeys.Contains(parent))
                continue;
            var members = new List<CatalogRow>();
            using Statement children = scope.Tables.Children(parent);
            while (members.Count < RowsOfGroupMax && children.Step())
            {
                CatalogRow row = CatalogTables.Read(children);
                if (row.Key != root)
                    members.Add(row);
                if (row.IsDirectory)
                    scope.DirectoriesInDoubt++;
            }

            // The directory that is missing was itself in one.
            scope.DirectoriesInDoubt++;
            groups.Add(new Group(parent, rows.Integer(2), members));
        }

        return groups;
    }

    // Walks the directories once more and tries every name in each.
    private Dictionary<RowKey, string> Homes(List<CatalogRow> rows)
    {
        var homes = new Dictionary<RowKey, string>();
        var pending = new Stack<RepositoryPath>();
        pending.Push(scope.Context.Path);
        while (pending.TryPop(out RepositoryPath directory))
        {
            foreach (CatalogRow row in rows)
            {
                if (row.Name is { } name && RowRules.NameFault(name) is null && RowRules.PathFault(directory, name) is null
                    && directory.Combine(name) is var path && RowKey.Of(path.Bytes.Span) == row.Key)
                {
                    homes[row.Key] = path.ToString();
                }
            }

            using Statement children = scope.Tables.ChildDirectories(RowKey.Of(directory.Bytes.Span));
            while (children.Step())
            {
                CatalogRow child = CatalogTables.Read(children);
                if (child.Name is { } name && RowRules.NameFault(name) is null && RowRules.PathFault(directory, name) is null
                    && directory.Combine(name) is var path && RowKey.Of(path.Bytes.Span) == child.Key && child.Key != root)
                {
                    pending.Push(path);
                }
            }
        }

        return homes;
    }

    /// <summary>A row met in a directory that its key does not belong to.</summary>
    public sealed record Met(CatalogRow Row, string MetAt, RowKey Expected);

    private sealed record Group(RowKey Parent, long Count, IReadOnlyList<CatalogRow> Rows);
}
