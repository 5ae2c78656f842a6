using System.Data;
using System.Data.Common;
using CvmfsNix.Cluster.Actors.Administration.Tables;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace CvmfsNix.Cluster.Recovery.Journals;

/// <summary>Copies a journal that nodes write to as it was at one moment. Nobody waits for it: both databases let writers go on beside a reader.</summary>
internal static class JournalCopy
{
    /// <summary>Writes all tables to a new SQLite file, which is the form every journal has in a backup.</summary>
    /// <exception cref="RecoveryException">JournalUnusable, JournalUnavailable.</exception>
    public static async Task ToFileAsync(JournalOptions source, string file, CancellationToken ct)
    {
        CreateFile(file);
        try
        {
            DbConnection connection = await OpenAsync(source, ct).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                // In SQLite a deferred transaction sees one state from its first read on, as this level does in PostgreSQL.
                DbTransaction reading = connection is SqliteConnection sqlite
                    ? sqlite.BeginTransaction(deferred: true)
                    : await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct).ConfigureAwait(false);
                await using (reading.ConfigureAwait(false))
                    await CopyAsync(connection, reading, file, ct).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is DbException or IOException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw Failed(source, e);
        }
    }

    /// <summary>An empty journal file with all tables; one that is there is replaced.</summary>
    public static void CreateFile(string file)
    {
        foreach (string suffix in (ReadOnlySpan<string>)["", "-wal", "-shm", "-journal"])
            File.Delete(file + suffix);
        using SqliteConnection connection = SqliteFiles.Open(file, write: true, create: true);
        foreach (string statement in SideTables.Schema(new SqliteSideDatabase(file)).Prepend(SqliteJournal.Schema))
            SqliteFiles.Execute(connection, statement);
    }

    /// <summary>What went wrong with a database, as a refusal.</summary>
    public static RecoveryException Failed(JournalOptions journal, Exception cause) => cause is NpgsqlException { IsTransient: true } or TimeoutException or System.Net.Sockets.SocketException
        ? new RecoveryException(RecoveryCodes.JournalUnavailable, $"The journal {NameOf(journal)} does not answer: {cause.Message}", NameOf(journal), "look at the database, then run the same command again", cause)
        : new RecoveryException(RecoveryCodes.JournalUnusable, $"The journal {NameOf(journal)} cannot be used: {cause.Message}", NameOf(journal), "check the connection, the user's rights and the tables", cause);

    /// <summary>A journal for messages, without secrets.</summary>
    public static string NameOf(JournalOptions journal)
    {
        if (journal is JournalOptions.Sqlite sqlite)
            return sqlite.File;
        var parts = new NpgsqlConnectionStringBuilder(((JournalOptions.PostgreSql)journal).ConnectionString);
        return $"{parts.Database ?? parts.Username} at {parts.Host}:{parts.Port}";
    }

    /// <summary>A connection for long reads and writes.</summary>
    public static async Task<DbConnection> OpenAsync(JournalOptions journal, CancellationToken ct)
    {
        if (journal is JournalOptions.Sqlite file)
        {
            return File.Exists(file.File)
                ? SqliteFiles.Open(file.File, write: false)
                : throw new RecoveryException(
                    RecoveryCodes.JournalUnusable, $"There is no journal {file.File}.", file.File, "give the node's --data, and its --journal where that is a PostgreSQL database");
        }

        var parts = new NpgsqlConnectionStringBuilder(((JournalOptions.PostgreSql)journal).ConnectionString) { ApplicationName = "cvmfsnix backup", CommandTimeout = 0, Pooling = false };
        if (parts.Host?.Contains(',', StringComparison.Ordinal) == true && string.IsNullOrEmpty(parts.TargetSessionAttributes))
            parts.TargetSessionAttributes = "read-write";
        var connection = new NpgsqlConnection(parts.ConnectionString);
        await connection.OpenAsync(ct).ConfigureAwait(false);
        return connection;
    }

    /// <summary>Whether a table is there.</summary>
    public static async Task<bool> HasAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var command = connection.CreateCommand();
        await using var ended = command.ConfigureAwait(false);
        command.CommandText = connection is SqliteConnection
            ? $"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{table}'"
            : $"SELECT 1 WHERE to_regclass('{table}') IS NOT NULL";
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is not null;
    }

    private static async Task CopyAsync(DbConnection source, DbTransaction reading, string file, CancellationToken ct)
    {
        if (!await HasAsync(source, JournalTable.Events.Name, ct).ConfigureAwait(false))
            throw new RecoveryException(RecoveryCodes.JournalUnusable, "The database has no journal.", "journal", "give the --journal that the nodes are started with");
        using SqliteConnection target = SqliteFiles.Open(file, write: true);
        using SqliteTransaction writing = target.BeginTransaction();
        foreach (JournalTable table in JournalTable.All)
        {
            if (await HasAsync(source, table.Name, ct).ConfigureAwait(false))
                await CopyTableAsync(source, reading, target, writing, table, ct).ConfigureAwait(false);
        }

        writing.Commit();
    }

    private static async Task CopyTableAsync(DbConnection source, DbTransaction reading, SqliteConnection target, SqliteTransaction writing, JournalTable table, CancellationToken ct)
    {
        using SqliteCommand insert = target.CreateCommand();
        insert.Transaction = writing;
        insert.CommandText = $"INSERT INTO {table.Name} ({table.ColumnList}) VALUES ({string.Join(", ", table.Columns.Select((_, i) => $"$p{i}"))})";
        SqliteParameter[] parameters = [.. table.Columns.Select((_, i) => insert.Parameters.Add(new SqliteParameter($"$p{i}", null)))];
        var select = source.CreateCommand();
        await using var ended = select.ConfigureAwait(false);
        select.Transaction = reading;
        select.CommandText = $"SELECT {table.ColumnList} FROM {table.Name}";
        var rows = await select.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var read = rows.ConfigureAwait(false);
        while (await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            for (int i = 0; i < parameters.Length; i++)
                parameters[i].Value = Value(rows, i, table.Columns[i].Kind);
            insert.ExecuteNonQuery();
        }
    }

    /// <summary>A value of a row in the form both databases take.</summary>
    public static object Value(DbDataReader row, int column, ColumnKind kind) => row.IsDBNull(column) ? DBNull.Value : kind switch
    {
        ColumnKind.Integer => row.GetInt32(column),
        ColumnKind.Long => row.GetInt64(column),
        ColumnKind.Flag => row.GetBoolean(column),
        ColumnKind.Text => row.GetString(column),
        _ => row.GetFieldValue<byte[]>(column),
    };
}
