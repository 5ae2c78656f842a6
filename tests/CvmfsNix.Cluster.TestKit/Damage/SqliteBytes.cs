using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>
/// SQLite databases as bytes: made and changed by plain SQL, with nothing of the product between. In SQL, <c>key1(path)</c> and <c>key2(path)</c> are the
/// halves of a path's MD5 as catalogs keep them.
/// </summary>
internal static class SqliteBytes
{
    /// <summary>A new database.</summary>
    public static byte[] Create(Action<SqliteConnection> fill) => Edit([], connection =>
    {
        Run(connection, "PRAGMA page_size=1024");
        fill(connection);
    });

    /// <summary>The database after an edit.</summary>
    public static byte[] Edit(byte[] file, Action<SqliteConnection> edit)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, file);
            using (SqliteConnection connection = Open(path, SqliteOpenMode.ReadWrite))
                edit(connection);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>The first column of the first row, or null.</summary>
    public static object? Scalar(byte[] file, string sql)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, file);
            using SqliteConnection connection = Open(path, SqliteOpenMode.ReadOnly);
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            return command.ExecuteScalar();
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Runs a statement with parameters <c>$0</c>, <c>$1</c>, …; returns the number of rows changed.</summary>
    public static int Run(SqliteConnection connection, string sql, params object?[] parameters)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        for (int i = 0; i < parameters.Length; i++)
            command.Parameters.AddWithValue($"${i}", parameters[i] ?? DBNull.Value);
        return command.ExecuteNonQuery();
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        // Foreign keys stay off: damage must be possible.
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, ForeignKeys = false }.ToString());
        connection.Open();
        connection.CreateFunction("key1", (string p) => Half(p, 0), isDeterministic: true);
        connection.CreateFunction("key2", (string p) => Half(p, 8), isDeterministic: true);
        return connection;
    }

    private static long Half(string path, int offset) => BitConverter.ToInt64(MD5.HashData(Encoding.UTF8.GetBytes(path)), offset);
}
