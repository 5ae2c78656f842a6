using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Records;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Index;

/// <summary>
/// What a node knows of a repository's committed paths and contents: a projection of the record files of its revisions, in one SQLite
/// file. It may lag behind, and may be lost: then it is filled again from the record files. One transaction a revision, so it always stands at a revision.
/// </summary>
public sealed class RepositoryIndex : IDisposable
{
    private const int SchemaVersion = 1;

    // The objects are kept by name because deltas may name an object again: counters must count it once.
    private const string Schema =
        """
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS objects (name BLOB PRIMARY KEY, stored_size INTEGER NOT NULL) WITHOUT ROWID;
        """;

    private readonly string _connectionString;
    private readonly Lock _writing = new();

    private RepositoryIndex(string connectionString, HashAlgorithmId algorithm)
    {
        _connectionString = connectionString;
        Paths = new PathIndex(connectionString);
        Content = new ContentIndex(connectionString, algorithm);
    }

    /// <summary>Registrations by path.</summary>
    public PathIndex Paths { get; }

    /// <summary>Stored contents by plaintext digest.</summary>
    public ContentIndex Content { get; }

    /// <summary>The revision the index stands at; 0 = empty.</summary>
    public ulong Revision
    {
        get
        {
            using SqliteConnection connection = Open();
            return checked((ulong)Meta(connection, null, MetaKeys.Revision));
        }
    }

    /// <summary>Counters as of <see cref="Revision"/>, less what was collected since.</summary>
    public RepositoryUsage Usage
    {
        get
        {
            using SqliteConnection connection = Open();
            using SqliteTransaction snapshot = connection.BeginTransaction(deferred: true);
            return new RepositoryUsage(
                Meta(connection, snapshot, MetaKeys.Objects), Meta(connection, snapshot, MetaKeys.StoredBytes), Meta(connection, snapshot, MetaKeys.Paths));
        }
    }

    /// <summary>Opens or makes the index. A file that is damaged or of another version is thrown away: it can be filled again.</summary>
    /// <exception cref="IOException">The file can be neither opened nor replaced.</exception>
    public static RepositoryIndex Open(string file, HashAlgorithmId algorithm)
    {
        string connectionString = new SqliteConnectionStringBuilder { DataSource = file, DefaultTimeout = 30 }.ToString();
        var index = new RepositoryIndex(connectionString, algorithm);
        try
        {
            if (index.TryPrepare())
                return index;
        }
        catch (SqliteException e) when (e.SqliteErrorCode is SqliteCorrupt or SqliteNotADatabase)
        {
            // Replaced below.
        }

        index.Dispose();
        foreach (string suffix in (ReadOnlySpan<string>)["", "-wal", "-shm"])
            File.Delete(file + suffix);
        return index.TryPrepare() ? index : throw new IOException($"{file} cannot be made an index.");
    }

    /// <summary>
    /// Adds a revision in one transaction. Does nothing when the index stands at it or beyond.
    /// </summary>
    /// <param name="revision">The revision.</param>
    /// <param name="previous">The revision before it; 0 for the first.</param>
    /// <param name="infos">Registrations of its new paths.</param>
    /// <param name="delta">Its objects and contents.</param>
    /// <param name="counted">Whether an object is still there and counts; asked for objects that are collected one day.</param>
    /// <returns>False when the index stands before <paramref name="previous"/> and a revision in between must be added first.</returns>
    internal bool Apply(
        ulong revision,
        ulong previous,
        IEnumerable<PathInfo> infos,
        IEnumerable<(DeltaObject? Object, DeltaContent? Content)> delta,
        Func<ObjectName, bool> counted)
    {
        lock (_writing)
        {
            using SqliteConnection connection = Open();
            using SqliteTransaction transaction = connection.BeginTransaction();
            ulong stands = checked((ulong)Meta(connection, transaction, MetaKeys.Revision));
            if (stands >= revision)
                return true;
            if (stands != previous)
                return false;

            long paths = 0, objects = 0, bytes = 0;
            using (var inserter = new PathIndex.Inserter(connection, transaction))
            {
                foreach (PathInfo info in infos)
                    paths += inserter.Insert(info, revision) ? 1 : 0;
            }

            using SqliteCommand insert = connection.CreateCommand();
            insert.Transaction = transaction;
            insert.CommandText = "INSERT OR IGNORE INTO objects (name, stored_size) VALUES ($name, $size)";
            SqliteParameter name = insert.Parameters.Add("$name", SqliteType.Blob);
            SqliteParameter size = insert.Parameters.Add("$size", SqliteType.Integer);
            foreach ((DeltaObject? o, DeltaContent? content) in delta)
            {
                if (content is not null)
                    ContentIndex.Insert(connection, transaction, content.Digest, content.Content);
                if (o is null || IsCollectable(o.Name.Kind) && !counted(o.Name))
                    continue;
                name.Value = Key(o.Name);
                size.Value = o.StoredSize;
                if (insert.ExecuteNonQuery() == 1)
                {
                    objects++;
                    bytes += o.StoredSize;
                }
            }

            Add(connection, transaction, MetaKeys.Paths, paths);
            Add(connection, transaction, MetaKeys.Objects, objects);
            Add(connection, transaction, MetaKeys.StoredBytes, bytes);
            Add(connection, transaction, MetaKeys.Revision, checked((long)(revision - stands)));
            transaction.Commit();
            return true;
        }
    }

    /// <summary>Takes collected objects out of the counters, in one transaction. Repeating it changes nothing.</summary>
    internal void RemoveObjects(IReadOnlyList<ObjectName> names)
    {
        lock (_writing)
        {
            using SqliteConnection connection = Open();
            using SqliteTransaction transaction = connection.BeginTransaction();
            using SqliteCommand delete = connection.CreateCommand();
            delete.Transaction = transaction;
            delete.CommandText = "DELETE FROM objects WHERE name = $name RETURNING stored_size";
            SqliteParameter key = delete.Parameters.Add("$name", SqliteType.Blob);
            long objects = 0, bytes = 0;
            foreach (ObjectName name in names)
            {
                key.Value = Key(name);
                if (delete.ExecuteScalar() is long size)
                {
                    objects++;
                    bytes += size;
                }
            }

            Add(connection, transaction, MetaKeys.Objects, -objects);
            Add(connection, transaction, MetaKeys.StoredBytes, -bytes);
            transaction.Commit();
        }
    }

    /// <summary>Closes the pooled connections to the file.</summary>
    public void Dispose()
    {
        using var connection = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(connection);
    }

    private const int SqliteCorrupt = 11;
    private const int SqliteNotADatabase = 26;

    // False: a file of another version.
    private bool TryPrepare()
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA journal_mode = WAL; PRAGMA user_version";
        long version = 0;
        using (SqliteDataReader row = command.ExecuteReader())
        {
            row.NextResult();
            if (row.Read())
                version = row.GetInt64(0);
        }

        if (version is not (0 or SchemaVersion))
            return false;
        command.CommandText = $"{Schema}\n{PathIndex.Schema}\n{ContentIndex.Schema}\nPRAGMA user_version = {SchemaVersion};";
        command.ExecuteNonQuery();
        return true;
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(_connectionString);
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        // The index can be filled again: a power loss may take its last revisions, never its consistency.
        command.CommandText = "PRAGMA synchronous = NORMAL";
        command.ExecuteNonQuery();
        return connection;
    }

    private static bool IsCollectable(ObjectKind kind) => kind is ObjectKind.Catalog or ObjectKind.History;

    private static byte[] Key(ObjectName name)
    {
        var key = new byte[ObjectHash.Size + 1];
        name.Hash.CopyTo(key);
        key[^1] = (byte)name.Kind;
        return key;
    }

    private static long Meta(SqliteConnection connection, SqliteTransaction? transaction, string key)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "SELECT value FROM meta WHERE key = $key";
        command.Parameters.AddWithValue("$key", key);
        return command.ExecuteScalar() is long value ? value : 0;
    }

    private static void Add(SqliteConnection connection, SqliteTransaction transaction, string key, long value)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "INSERT INTO meta (key, value) VALUES ($key, $value) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value";
        command.Parameters.AddWithValue("$key", key);
        command.Parameters.AddWithValue("$value", value);
        command.ExecuteNonQuery();
    }

    private static class MetaKeys
    {
        public const string Revision = "revision";
        public const string Paths = "paths";
        public const string Objects = "objects";
        public const string StoredBytes = "stored_bytes";
    }
}
