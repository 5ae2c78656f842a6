using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>
/// One catalog while it is being checked: where findings go, and what of it they put in doubt, so that what follows from a finding is not
/// reported as another.
/// </summary>
internal sealed class CatalogScope(CatalogTables tables, CatalogContext context, Action<Finding> report)
{
    private static readonly Dictionary<string, string[]> DoubtfulCounters = new(StringComparer.Ordinal)
    {
        [VerifyRules.EntryType] = ["regular", "symlink", "special", "dir", "file_size", "chunked", "chunked_size", "external", "external_file_size"],
        [VerifyRules.EntryFlags] = ["chunked", "chunked_size", "external", "external_file_size"],
        [VerifyRules.EntrySize] = ["file_size", "chunked_size", "external_file_size"],
        [VerifyRules.EmptyBlob] = ["xattr"],
        [VerifyRules.XattrFormat] = ["xattr"],
        [VerifyRules.DuplicateName] = [.. CounterSet.Names],
        [VerifyRules.DanglingRow] = ["dir", "xattr"],
        [VerifyRules.HardlinkGroup] = ["regular", "file_size", "xattr"],
        [VerifyRules.ChunkLayout] = ["chunked", "chunks", "file_size", "chunked_size"],
        [VerifyRules.ChunkOwner] = ["regular", "chunked", "chunks", "file_size", "chunked_size", "xattr"],
        [VerifyRules.MarkerMissing] = ["regular"],
        [VerifyRules.NestedRegistration] = ["nested", "dir", "xattr"],
        [VerifyRules.BindRegistration] = ["dir", "xattr"],
        [VerifyRules.RootRow] = ["regular", "symlink", "special", "dir", "file_size", "xattr"],
    };

    public CatalogTables Tables => tables;

    public CatalogContext Context => context;

    /// <summary>Counters that a finding explains; a difference in them is no second finding.</summary>
    public HashSet<string> Doubtful { get; } = new(StringComparer.Ordinal);

    /// <summary>Directories that findings moved, removed or turned into something else: as many link counts may be off by one for it.</summary>
    public int DirectoriesInDoubt { get; set; }

    /// <summary>Keys of rows of uncertain type: what hangs below them is not dangling for it, nor are their chunk rows.</summary>
    public HashSet<RowKey> UncertainRows { get; } = [];

    /// <summary>Keys that rows should have and have not: chunk rows that have them belong to such a row.</summary>
    public HashSet<RowKey> MissedKeys { get; } = [];

    /// <summary>Hard link groups that were reported; the sizes of their members are not to be relied on.</summary>
    public HashSet<long> BrokenGroups { get; } = [];

    /// <summary>True once a finding was about the root row itself.</summary>
    public bool RootRowIsReported { get; set; }

    /// <summary>True when a finding kept the walk from entering a directory: rows below it are not unreachable for it.</summary>
    public bool TreeIsCut { get; set; }

    /// <summary>Stored less computed link count of each directory where they differ.</summary>
    public List<(RepositoryPath Path, long Stored, long Computed)> LinkCounts { get; } = [];

    /// <summary>Reports a finding about a path of this catalog.</summary>
    public void Report(string rule, string? path, string message, string? objectName = null)
    {
        if (DoubtfulCounters.TryGetValue(rule, out string[]? counters))
            Doubtful.UnionWith(counters);
        report(new Finding(rule, path, context.Hash?.ToString(), objectName, message));
    }

    /// <summary>Path of a row, climbed from the row by parent keys; null where that leads nowhere.</summary>
    public string? PathOf(CatalogRow row)
    {
        var names = new List<byte[]>();
        RowKey top = RowKey.Of(context.Path.Bytes.Span);
        int length = 0;
        for (CatalogRow? at = row; at is not null; at = tables.Find(at.Parent))
        {
            if (at.Key == top)
            {
                names.Reverse();
                string above = context.Path.IsRoot ? "" : context.Path.ToString();
                return names.Count == 0 ? context.Path.ToString() : above + "/" + string.Join('/', names.Select(n => Shown.Text(n)));
            }

            names.Add(at.Name ?? []);
            length += (at.Name?.Length ?? 0) + 1;
            if (length > RepositoryPath.LengthMax)
                return null;
        }

        return null;
    }
}
