using System.Data.Common;
using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Actors.Administration.Audit;

/// <summary>The way to the database the audit table lies in.</summary>
internal interface IAuditDatabase
{
    /// <summary>Statements that make the table; harmless to repeat.</summary>
    IReadOnlyList<string> Schema { get; }

    /// <summary>Runs something on a connection of its own.</summary>
    Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct);
}

/// <summary>The table in the file of the SQLite journal.</summary>
internal sealed class SqliteAuditDatabase(string file) : IAuditDatabase
{
    private string ConnectionString { get; } = new SqliteConnectionStringBuilder { DataSource = file, Cache = SqliteCacheMode.Private, DefaultTimeout = 10 }.ToString();

    public IReadOnlyList<string> Schema { get; } =
    [
        "CREATE TABLE IF NOT EXISTS cvmfsnix_audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL, node TEXT NOT NULL, command TEXT NOT NULL, arguments TEXT NOT NULL, outcome TEXT NOT NULL)",
    ];

    public async Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct)
    {
        var connection = new SqliteConnection(ConnectionString);
        await using var ended = connection.ConfigureAwait(false);
        await connection.OpenAsync(ct).ConfigureAwait(false);
        return await work(connection).ConfigureAwait(false);
    }
}

/// <summary>The table in the nodes' PostgreSQL database.</summary>
internal sealed class PostgreSqlAuditDatabase(string connectionString) : IAuditDatabase
{
    /// <summary>"If not exists" alone does not keep two sessions from creating the same table at once.</summary>
    private const long SchemaLock = 0x6175646974;

    private readonly PostgreSqlSessions _sessions = new(connectionString);

    public IReadOnlyList<string> Schema { get; } =
    [
        $"""
        DO $$ BEGIN
          IF to_regclass('cvmfsnix_audit') IS NULL THEN
            PERFORM pg_advisory_xact_lock({SchemaLock});
            CREATE TABLE IF NOT EXISTS cvmfsnix_audit (
              number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at_ms bigint NOT NULL, who text NOT NULL, node text NOT NULL,
              command text NOT NULL, arguments text NOT NULL, outcome text NOT NULL);
          END IF;
        END $$
        """,
    ];

    public Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct) => _sessions.RunAsync(work, ct);
}
