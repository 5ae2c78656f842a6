using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Verify.Catalogs;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>The guard's own way to catalog files: it shares none with the code whose work it looks at.</summary>
internal static class GuardSql
{
    /// <summary>All columns of the table catalog.</summary>
    public const string EntryColumns = "md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, flags, name, symlink, uid, gid, xattr";

    /// <summary>The condition that is true of one row of it.</summary>
    public static string IsRow(PathKey key) => $"md5path_1={key.High} AND md5path_2={key.Low}";

    /// <summary>Lets a connection read a second file, which nobody changes until it is detached, under the name <c>w</c>.</summary>
    public static void Attach(SqliteConnection connection, string file)
    {
        using SqliteCommand attach = connection.CreateCommand();
        attach.CommandText = "ATTACH DATABASE $file AS w";
        attach.Parameters.AddWithValue("$file", UnchangingUri(file));
        attach.ExecuteNonQuery();
    }

    /// <summary>Opens a file that nobody changes while it is open: no locks are taken, which its writer holds.</summary>
    public static SqliteConnection OpenUnchanging(string file) => Open(UnchangingUri(file));

    /// <summary>Makes a new file, replacing what is there.</summary>
    public static SqliteConnection Create(string file)
    {
        File.Delete(file);
        return OpenOwn(file);
    }

    /// <summary>Opens a file of the guard's own, to write on.</summary>
    public static SqliteConnection OpenOwn(string file)
    {
        SqliteConnection connection = Open($"{Uri(file)}?mode=rwc");
        Execute(connection, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF;");
        return connection;
    }

    private static string UnchangingUri(string file) => $"{Uri(file)}?immutable=1";

    public static void Execute(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static long Number(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar() is long number ? number : 0;
    }

    /// <summary>Twelve stored counters; one that is missing counts as zero.</summary>
    public static CounterSet Counters(SqliteConnection connection, string schema, string prefix)
    {
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"SELECT counter, value FROM {schema}.statistics";
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
            values[row.GetString(0)] = row.GetInt64(1);
        return CounterSet.Of([.. CounterSet.Names.Select(n => values.GetValueOrDefault(prefix + n))]);
    }

    /// <summary>The same counters as catalogs are written with.</summary>
    public static CounterSet Counters(CatalogCounts c) => CounterSet.Of(
    [
        c.Regular, c.Symlink, c.Special, c.Directory, c.Nested, c.Chunked, c.Chunks, c.FileSize, c.ChunkedSize, c.Xattr, c.External, c.ExternalFileSize,
    ]);

    /// <summary>Counter by counter.</summary>
    public static CounterSet Minus(CounterSet one, CounterSet other) => CounterSet.Of([.. CounterSet.Names.Select(n => one[n] - other[n])]);

    private static SqliteConnection Open(string uri)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = uri, Pooling = false }.ToString());
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static string Uri(string file) => "file:" + System.Uri.EscapeDataString(Path.GetFullPath(file)).Replace("%2F", "/", StringComparison.Ordinal);
}
