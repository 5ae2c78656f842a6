using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Verify.Catalogs;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>How far a catalog reached before a commit: rows are only appended, so what lies beyond is the commit's. Read in constant time.</summary>
/// <param name="Entries">Highest rowid of the table catalog.</param>
/// <param name="Chunks">Highest rowid of the table chunks.</param>
/// <param name="Nested">Highest rowid of the table nested_catalogs.</param>
/// <param name="RootLinks">Link count of the directory it is mounted at.</param>
/// <param name="Self">Its own counters.</param>
/// <param name="Subtree">Those of what lies below.</param>
internal sealed record CatalogMarks(long Entries, long Chunks, long Nested, long RootLinks, CounterSet Self, CounterSet Subtree)
{
    /// <summary>Reads them from a file that nobody changes meanwhile.</summary>
    public static CatalogMarks Read(string file, RepositoryPath root)
    {
        using SqliteConnection connection = GuardSql.OpenUnchanging(file);
        return Read(connection, "main", root);
    }

    /// <summary>Reads them from an attached file.</summary>
    public static CatalogMarks Read(SqliteConnection connection, string schema, RepositoryPath root)
    {
        PathKey key = root.Key;
        return new CatalogMarks(
            Highest("catalog"),
            Highest("chunks"),
            Highest("nested_catalogs"),
            GuardSql.Number(connection, $"SELECT hardlinks & 4294967295 FROM {schema}.catalog WHERE md5path_1={key.High} AND md5path_2={key.Low}"),
            GuardSql.Counters(connection, schema, "self_"),
            GuardSql.Counters(connection, schema, "subtree_"));

        long Highest(string table) => GuardSql.Number(connection, $"SELECT coalesce(max(rowid), 0) FROM {schema}.{table}");
    }
}
