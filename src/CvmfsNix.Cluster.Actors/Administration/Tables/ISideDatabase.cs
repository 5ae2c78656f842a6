using System.Data.Common;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Actors.Administration.Tables;

/// <summary>The way to the database of the journal, for tables that lie beside it.</summary>
internal interface ISideDatabase
{
    /// <summary>Statements that make a table; harmless to repeat.</summary>
    IReadOnlyList<string> Schema(SideTableSchema table);

    /// <summary>Runs something on a connection of its own.</summary>
    Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct);
}

/// <summary>How a table is made in either database.</summary>
/// <param name="Name">Of the table.</param>
/// <param name="SqliteColumns">Between the parentheses.</param>
/// <param name="PostgreSqlColumns">Between the parentheses.</param>
internal sealed record SideTableSchema(string Name, string SqliteColumns, string PostgreSqlColumns);

/// <summary>Where the tables beside a journal are.</summary>
internal static class SideDatabase
{
    public static ISideDatabase Of(JournalOptions journal) => journal switch
    {
        JournalOptions.Sqlite sqlite => new SqliteSideDatabase(sqlite.File),
        JournalOptions.PostgreSql postgres => new PostgreSqlSideDatabase(postgres.ConnectionString),
        _ => throw new ArgumentException($"{journal.GetType().Name} is no kind of journal.", nameof(journal)),
    };
}

/// <summary>Tables in the file of the SQLite journal.</summary>
internal sealed class SqliteSideDatabase(string file) : ISideDatabase
{
    private string ConnectionString { get; } = new SqliteConnectionStringBuilder { DataSource = file, Cache = SqliteCacheMode.Private, DefaultTimeout = 10 }.ToString();

    public IReadOnlyList<string> Schema(SideTableSchema table) => [$"CREATE TABLE IF NOT EXISTS {table.Name} ({table.SqliteColumns})"];

    public async Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct)
    {
        var connection = new SqliteConnection(ConnectionString);
        await using var ended = connection.ConfigureAwait(false);
        await connection.OpenAsync(ct).ConfigureAwait(false);
        return await work(connection).ConfigureAwait(false);
    }
}

/// <summary>Tables in the nodes' PostgreSQL database.</summary>
internal sealed class PostgreSqlSideDatabase(string connectionString) : ISideDatabase
{
    /// <summary>"If not exists" alone does not keep two sessions from creating the same table at once.</summary>
    private const long SchemaLock = 0x6175646974;

    private readonly PostgreSqlSessions _sessions = new(connectionString);

    public IReadOnlyList<string> Schema(SideTableSchema table) =>
    [
        $"""
        DO $$ BEGIN
          IF to_regclass('{table.Name}') IS NULL THEN
            PERFORM pg_advisory_xact_lock({SchemaLock});
            CREATE TABLE IF NOT EXISTS {table.Name} ({table.PostgreSqlColumns});
          END IF;
        END $$
        """,
    ];

    public Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct) => _sessions.RunAsync(work, ct);
}
