using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>Members of a hard link group: in one directory, equal in everything but the name, and as many as their link count says.</summary>
internal static class HardlinkRules
{
    // Algorithm bits and the external flag.
    private const long ComparedFlags = 0x700 | CatalogRow.FlagExternal;

    private static readonly string[] Compared = ["link count", "directory", "directory", "size", "mode", "mtime", "nanoseconds", "hash", "flags", "extended attributes", "symlink"];

    public static void Check(CatalogScope scope)
    {
        string nanoseconds = scope.Tables.Database.Columns("catalog").Contains("mtimens") ? "quote(mtimens)" : "NULL";
        string xattr = scope.Tables.Database.Columns("catalog").Contains("xattr") ? "length(xattr) > 0" : "0";
        using Statement groups = scope.Tables.Database.Rent(
            $"""
            SELECT hardlinks >> 32, count(*), min(rowid), min(hardlinks & 4294967295),
              count(DISTINCT hardlinks & 4294967295), count(DISTINCT parent_1), count(DISTINCT parent_2), count(DISTINCT size), count(DISTINCT mode), count(DISTINCT mtime),
              count(DISTINCT {nanoseconds}), count(DISTINCT quote(hash)), count(DISTINCT flags & {ComparedFlags}), count(DISTINCT coalesce({xattr}, 0)), count(DISTINCT quote(symlink))
            FROM catalog WHERE hardlinks >> 32 > 0 AND (mode & 61440) <> 16384 GROUP BY hardlinks >> 32
            """);
        while (groups.Step())
        {
            long group = groups.Integer(0), members = groups.Integer(1), links = groups.Integer(3);
            string[] differing = [.. Compared.Where((_, i) => groups.Integer(4 + i) > 1).Distinct()];
            // A member without any link is reported as such.
            if (links == 0 || (differing.Length == 0 && links == members))
                continue;
            scope.BrokenGroups.Add(group);
            string? path = scope.Tables.FindRow(groups.Integer(2)) is { } first ? scope.PathOf(first) : null;
            scope.Report(
                VerifyRules.HardlinkGroup,
                path,
                differing.Length > 0
                    ? $"The {members} members of hard link group {group} differ in {string.Join(", ", differing)}."
                    : $"Hard link group {group} has {members} members, their link count is {links}.");
        }
    }
}
