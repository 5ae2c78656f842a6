using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>
/// Readies the SQLite file before the actor system opens it. The schema is made here and not by the plugin, because a writer is only safe
/// while two events cannot share a persistence id and a sequence number: the unique index is checked, not assumed.
/// </summary>
internal sealed class SqliteJournal(string file) : IJournalDatabase
{
    /// <summary>Makes the tables where they are missing.</summary>
    internal const string Schema = """
        CREATE TABLE IF NOT EXISTS journal (
          ordering        INTEGER       NOT NULL PRIMARY KEY AUTOINCREMENT,
          created         INTEGER       NOT NULL,
          deleted         BIT           NOT NULL,
          persistence_id  NVARCHAR(255) NOT NULL,
          sequence_number INTEGER       NOT NULL,
          message         VARBINARY     NOT NULL,
          manifest        NVARCHAR(500) NULL,
          identifier      INTEGER       NULL,
          writer_uuid     NVARCHAR(128) NULL);
        CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number);
        CREATE TABLE IF NOT EXISTS tags (
          ordering_id    INTEGER       NOT NULL,
          tag            NVARCHAR(64)  NOT NULL,
          sequence_nr    INTEGER       NOT NULL,
          persistence_id NVARCHAR(255) NOT NULL,
          PRIMARY KEY (ordering_id, tag));
        CREATE TABLE IF NOT EXISTS snapshot (
          persistence_id  NVARCHAR(255) NOT NULL,
          sequence_number INTEGER       NOT NULL,
          created         INTEGER       NOT NULL,
          snapshot        VARBINARY     NULL,
          manifest        NVARCHAR(500) NULL,
          serializer_id   INTEGER       NULL,
          PRIMARY KEY (persistence_id, sequence_number));
        """;

    private string ConnectionString { get; } = new SqliteConnectionStringBuilder { DataSource = file, Cache = SqliteCacheMode.Private }.ToString();

    public IMembershipTable? Membership => null;

    public JournalConnection ConnectionOf(string plugin) => new(ConnectionString, "SQLite.MS", 1);

    public Task<IReadOnlyList<string>> PrepareAsync(CancellationToken ct)
    {
        Prepare();
        return Task.FromResult<IReadOnlyList<string>>([]);
    }

    // A file has no clock but the machine's.
    public Task<DateTimeOffset> NowAsync(CancellationToken ct) => Task.FromResult(DateTimeOffset.UtcNow);

    public Task<IReadOnlyDictionary<string, long>> EndsAsync(IReadOnlyCollection<string> persistenceIds, CancellationToken ct)
    {
        using var connection = new SqliteConnection(ConnectionString);
        var ends = new Dictionary<string, long>();
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT max(sequence_number) FROM journal WHERE persistence_id = $id";
            var id = command.Parameters.Add("$id", SqliteType.Text);
            foreach (string name in persistenceIds)
            {
                id.Value = name;
                if (command.ExecuteScalar() is long end)
                    ends.Add(name, end);
            }
        }
        catch (SqliteException e)
        {
            throw new JournalUnavailableException($"The journal {file} cannot be read at present: {e.Message}");
        }

        return Task.FromResult<IReadOnlyDictionary<string, long>>(ends);
    }

    private void Prepare()
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
            using var connection = new SqliteConnection(ConnectionString);
            connection.Open();
            // Write-ahead logging stays with the file; FULL is the library's default in it, so that a commit is an fsync.
            Execute(connection, "PRAGMA journal_mode = WAL");
            Execute(connection, Schema);
            Verify(connection);
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new JournalException($"The journal {file} cannot be opened: {e.Message} Check that the file is whole and writable.", e);
        }
    }

    private void Verify(SqliteConnection connection)
    {
        long synchronous = (long)Scalar(connection, "PRAGMA synchronous")!;
        if (synchronous < 2)
            throw new JournalException($"The SQLite library opens the journal {file} with synchronous={synchronous}; an acknowledged commit could be lost. It must be built with FULL (2).");
        object? unique = Scalar(connection, """
            SELECT 1 FROM pragma_index_list('journal') AS i
            WHERE i."unique" = 1 AND i.partial = 0
              AND (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) = 'persistence_id,sequence_number'
            """);
        if (unique is null)
            throw new JournalException($"The table journal in {file} has no unique index on (persistence_id, sequence_number): two writers could both win. Restore the database from a backup.");
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static object? Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }
}
