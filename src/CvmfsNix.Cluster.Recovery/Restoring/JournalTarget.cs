using System.Data;
using System.Data.Common;
using CvmfsNix.Cluster.Actors.Administration.Tables;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Recovery.Journals;
using Microsoft.Data.Sqlite;
using Npgsql;
using NpgsqlTypes;

namespace CvmfsNix.Cluster.Recovery.Restoring;

/// <summary>An empty PostgreSQL database that is filled from a journal file, in one transaction.</summary>
/// <param name="journal">The database.</param>
internal sealed class JournalTarget(JournalOptions.PostgreSql journal) : IAsyncDisposable
{
    private DbConnection? _connection;
    private DbTransaction? _transaction;

    // Which restore filled the database. Of no use to nodes.
    private const string Restores = "cvmfsnix_restore";

    /// <summary>Whether this restore has filled the database: it was broken off after its commit.</summary>
    /// <exception cref="RecoveryException">JournalUnavailable, JournalUnusable.</exception>
    public async Task<bool> HasAsync(string restore, CancellationToken ct)
    {
        bool has = false;
        await GuardAsync(async () =>
        {
            var connection = await JournalCopy.OpenAsync(journal, ct).ConfigureAwait(false);
            await using var ended = connection.ConfigureAwait(false);
            if (!await JournalCopy.HasAsync(connection, Restores, ct).ConfigureAwait(false))
                return;
            var command = connection.CreateCommand();
            await using var done = command.ConfigureAwait(false);
            command.CommandText = $"SELECT 1 FROM {Restores} WHERE id = @id";
            command.Parameters.Add(new NpgsqlParameter("id", restore));
            has = await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is not null;
        }).ConfigureAwait(false);
        return has;
    }

    /// <summary>Refuses a database that holds a history.</summary>
    /// <exception cref="RecoveryException">TargetNotEmpty, JournalUnavailable, JournalUnusable.</exception>
    public Task RequireEmptyAsync(CancellationToken ct) => GuardAsync(async () =>
    {
        var connection = await JournalCopy.OpenAsync(journal, ct).ConfigureAwait(false);
        await using var ended = connection.ConfigureAwait(false);
        await RequireEmptyAsync(connection, ct).ConfigureAwait(false);
    });

    /// <summary>Makes the tables and writes all rows; nobody sees them before <see cref="CommitAsync"/>.</summary>
    /// <param name="file">The journal of the backup.</param>
    /// <param name="restore">Names this restore; letters and digits.</param>
    /// <param name="ct">Gives up.</param>
    public Task WriteAsync(string file, string restore, CancellationToken ct) => GuardAsync(async () =>
    {
        await new PostgreSqlJournal(journal.ConnectionString, init: true, journal.AllowUnsafe).PrepareAsync(ct).ConfigureAwait(false);
        var connection = (NpgsqlConnection)await JournalCopy.OpenAsync(journal, ct).ConfigureAwait(false);
        _connection = connection;
        foreach (string statement in SideTables.Schema(new PostgreSqlSideDatabase(journal.ConnectionString)))
            await ScalarAsync(connection, statement, ct).ConfigureAwait(false);
        _transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, ct).ConfigureAwait(false);
        // A node that starts now waits, and finds the journal full.
        await ScalarAsync(connection, $"LOCK TABLE {JournalTable.Events.Name} IN EXCLUSIVE MODE", ct).ConfigureAwait(false);
        await RequireEmptyAsync(connection, ct).ConfigureAwait(false);
        using SqliteConnection source = SqliteFiles.Open(file, write: false);
        foreach (JournalTable table in JournalTable.All)
            await CopyAsync(source, connection, table, ct).ConfigureAwait(false);
        await ScalarAsync(connection, $"CREATE TABLE IF NOT EXISTS {Restores} (id text PRIMARY KEY); INSERT INTO {Restores} VALUES ('{restore}')", ct).ConfigureAwait(false);
    });

    /// <summary>From here on it is the journal.</summary>
    public Task CommitAsync(CancellationToken ct) => GuardAsync(() => _transaction!.CommitAsync(ct));

    public async ValueTask DisposeAsync()
    {
        if (_transaction is not null)
            await _transaction.DisposeAsync().ConfigureAwait(false);
        if (_connection is not null)
            await _connection.DisposeAsync().ConfigureAwait(false);
    }

    private async Task RequireEmptyAsync(DbConnection connection, CancellationToken ct)
    {
        if (!await JournalCopy.HasAsync(connection, JournalTable.Events.Name, ct).ConfigureAwait(false))
            return;
        if (await ScalarAsync(connection, $"SELECT 1 FROM {JournalTable.Events.Name} LIMIT 1", ct).ConfigureAwait(false) is null)
            return;
        string name = JournalCopy.NameOf(journal);
        throw new RecoveryException(RecoveryCodes.TargetNotEmpty, $"The database {name} holds a journal.", name, "a backup is restored into an empty database: createdb another one, and give its connection string to --journal");
    }

    private static async Task CopyAsync(SqliteConnection source, NpgsqlConnection target, JournalTable table, CancellationToken ct)
    {
        if (!await JournalCopy.HasAsync(source, table.Name, ct).ConfigureAwait(false))
            return;
        using SqliteCommand select = source.CreateCommand();
        select.CommandText = $"SELECT {table.ColumnList} FROM {table.Name}";
        using SqliteDataReader rows = select.ExecuteReader();
        var import = await target.BeginBinaryImportAsync($"COPY {table.Name} ({table.ColumnList}) FROM STDIN (FORMAT BINARY)", ct).ConfigureAwait(false);
        await using (import.ConfigureAwait(false))
        {
            while (rows.Read())
            {
                await import.StartRowAsync(ct).ConfigureAwait(false);
                for (int i = 0; i < table.Columns.Count; i++)
                {
                    if (rows.IsDBNull(i))
                        await import.WriteNullAsync(ct).ConfigureAwait(false);
                    else
                        await WriteAsync(import, JournalCopy.Value(rows, i, table.Columns[i].Kind), table.Columns[i].Kind, ct).ConfigureAwait(false);
                }
            }

            await import.CompleteAsync(ct).ConfigureAwait(false);
        }

        // What nodes append has numbers after these.
        if (table.Counter is { } counter)
            await ScalarAsync(target, $"SELECT setval(pg_get_serial_sequence('{table.Name}', '{counter}'), coalesce((SELECT max({counter}) FROM {table.Name}), 0) + 1, false)", ct).ConfigureAwait(false);
    }

    private static Task WriteAsync(NpgsqlBinaryImporter import, object value, ColumnKind kind, CancellationToken ct) => kind switch
    {
        ColumnKind.Integer => import.WriteAsync((int)value, NpgsqlDbType.Integer, ct),
        ColumnKind.Long => import.WriteAsync((long)value, NpgsqlDbType.Bigint, ct),
        ColumnKind.Flag => import.WriteAsync((bool)value, NpgsqlDbType.Boolean, ct),
        ColumnKind.Text => import.WriteAsync((string)value, NpgsqlDbType.Text, ct),
        _ => import.WriteAsync((byte[])value, NpgsqlDbType.Bytea, ct),
    };

    private async Task GuardAsync(Func<Task> work)
    {
        try
        {
            await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbException or IOException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw JournalCopy.Failed(journal, e);
        }
        catch (JournalException e)
        {
            throw new RecoveryException(RecoveryCodes.JournalUnusable, e.Message, JournalCopy.NameOf(journal), "correct that, then run the same command again", e);
        }
        catch (JournalUnavailableException e)
        {
            throw new RecoveryException(RecoveryCodes.JournalUnavailable, e.Message, JournalCopy.NameOf(journal), "look at the database, then run the same command again", e);
        }
    }

    private static async Task<object?> ScalarAsync(DbConnection connection, string sql, CancellationToken ct)
    {
        var command = connection.CreateCommand();
        await using var ended = command.ConfigureAwait(false);
        command.CommandText = sql;
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false);
    }
}
