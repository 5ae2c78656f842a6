using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>Mount point rows and the tables <c>nested_catalogs</c> and <c>bind_mountpoints</c> name the same directories.</summary>
internal sealed class RegistrationRules
{
    // More of them are one mistake of the whole catalog, and not worth the memory.
    private const int UnmatchedMax = 10_000;

    private readonly CatalogScope _scope;
    private readonly List<NestedReference> _nested = [];
    private readonly List<string> _nestedWithoutRow = [];
    private readonly List<string> _rowsWithoutNested = [];

    private RegistrationRules(CatalogScope scope) => _scope = scope;

    /// <summary>True when every registration led to a row, and every row to a registration.</summary>
    public bool AreComplete { get; private set; } = true;

    /// <summary>Reads the registrations and looks up their rows.</summary>
    public static RegistrationRules Read(CatalogScope scope)
    {
        var rules = new RegistrationRules(scope);
        rules.ReadNested();
        if (scope.Tables.HasBindMountPoints)
            rules.ReadBound();
        return rules;
    }

    /// <summary>Takes a row with flag 2 or 0x4000 that the walk met.</summary>
    public void Met(RepositoryPath path, CatalogRow row)
    {
        if (row.IsMountPoint && !_scope.Tables.IsRegistered(path.Bytes.Span))
            Unmatched(_rowsWithoutNested, path.ToString());
        else if (row.IsBind && !row.IsMountPoint && !_scope.Tables.IsBound(path.Bytes.Span))
            _scope.Report(VerifyRules.BindRegistration, path.ToString(), "The directory is a bind mount point, but is not in bind_mountpoints.");
    }

    /// <summary>Reports what does not match, and gives the nested catalogs that can be followed.</summary>
    public IReadOnlyList<NestedReference> Finish()
    {
        // One registration under a wrong path leaves a row and a registration over; that is one mistake.
        int pairs = Math.Min(_rowsWithoutNested.Count, _nestedWithoutRow.Count);
        for (int i = 0; i < Math.Max(_rowsWithoutNested.Count, _nestedWithoutRow.Count); i++)
        {
            if (i < pairs)
                Broken(_rowsWithoutNested[i], $"The directory is a mount point, but nested_catalogs has {Shown.Text(_nestedWithoutRow[i])} instead.");
            else if (i < _rowsWithoutNested.Count)
                Broken(_rowsWithoutNested[i], "The directory is a mount point, but is not in nested_catalogs.");
            else
                Broken(_nestedWithoutRow[i], "The path is in nested_catalogs, but no row of a directory with flag 2 is.");
        }

        return _nested;
    }

    private void ReadNested()
    {
        using Statement rows = _scope.Tables.Database.Rent("SELECT path, sha1, size FROM nested_catalogs ORDER BY path");
        while (rows.Step())
        {
            byte[] bytes = rows.Bytes(0).ToArray();
            string hashText = rows.String(1);
            long size = rows.Integer(2);
            // A catalog below itself would never end; paths that only grow do.
            bool isBelow = RepositoryPath.TryCreate(bytes, out RepositoryPath path) && path != _scope.Context.Path && path.IsAtOrBelow(_scope.Context.Path);
            CatalogRow? row = isBelow ? _scope.Tables.Find(RowKey.Of(bytes)) : null;
            if (row is not { IsMountPoint: true })
            {
                Unmatched(_nestedWithoutRow, Encoding.UTF8.GetString(bytes));
                continue;
            }

            if (!row.IsDirectory)
            {
                // The row is of uncertain type, which the walk reports.
                AreComplete = false;
                continue;
            }

            if (!ObjectHash.TryParse(hashText, out ObjectHash hash) || hash.IsNull || size < 0)
            {
                Broken(path.ToString(), size < 0 ? $"The registered size is {size}." : $"The registered hash \"{Shown.Text(hashText)}\" is none.");
                continue;
            }

            bool isReported = false;
            RowRules.Check(row, isCatalogRoot: false, () => false, (_, _) => isReported = true);
            _nested.Add(new NestedReference(path, hash, size, row.ToTransition(), isReported));
        }
    }

    private void ReadBound()
    {
        using Statement rows = _scope.Tables.Database.Rent("SELECT path, sha1 FROM bind_mountpoints ORDER BY path");
        while (rows.Step())
        {
            byte[] bytes = rows.Bytes(0).ToArray();
            string shown = Shown.Text(bytes);
            if (_scope.Tables.IsRegistered(bytes))
                _scope.Report(VerifyRules.BindRegistration, shown, "The path is both in bind_mountpoints and in nested_catalogs.");
            else if (_scope.Tables.Find(RowKey.Of(bytes)) is not { IsBind: true })
                _scope.Report(VerifyRules.BindRegistration, shown, "The path is in bind_mountpoints, but no row of a directory with flag 0x4000 is.");
            else if (!ObjectHash.TryParse(rows.String(1), out _))
                _scope.Report(VerifyRules.BindRegistration, shown, $"The registered hash \"{Shown.Text(rows.String(1))}\" is none.");
        }
    }

    private void Unmatched(List<string> list, string path)
    {
        AreComplete = false;
        if (list.Count < UnmatchedMax)
            list.Add(path);
    }

    private void Broken(string path, string message)
    {
        AreComplete = false;
        _scope.DirectoriesInDoubt++;
        _scope.Report(VerifyRules.NestedRegistration, path, message);
    }
}
