using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Index;

/// <summary>
/// What a node knows of a repository's committed paths and contents: a projection of the record files of its revisions, in one SQLite
/// file. It may lag behind, and may be lost: then it is filled again from the record files. One transaction a revision, so it always stands at a revision.
/// </summary>
public sealed class RepositoryIndex : IDisposable
{
    private const int SchemaVersion = 2;

    // The objects are kept by name because deltas may name an object again: counters must count it once.
    private const string Schema =
        """
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS objects (name BLOB PRIMARY KEY, stored_size INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS revisions (revision INTEGER PRIMARY KEY, published_at INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS removals (revision INTEGER PRIMARY KEY, digest TEXT NOT NULL, indexed_at INTEGER NOT NULL);
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
    /// <param name="removed">Paths it removed.</param>
    /// <param name="delta">Its objects and contents.</param>
    /// <param name="counted">Whether an object is still there and counts; asked for objects that are collected one day.</param>
    /// <param name="publishedAt">When it was committed; null where that is not known.</param>
    /// <param name="removalDigest">The record file that names removed paths.</param>
    /// <param name="signed">Paths that got signatures, with all they have now.</param>
    /// <returns>False when the index stands before <paramref name="previous"/> and a revision in between must be added first.</returns>
    internal bool Apply(
        ulong revision,
        ulong previous,
        IEnumerable<PathInfo> infos,
        IEnumerable<StorePathName> removed,
        IEnumerable<(DeltaObject? Object, DeltaContent? Content)> delta,
        Func<ObjectName, bool> counted,
        DateTimeOffset? publishedAt = null,
        string removalDigest = "",
        IEnumerable<PathInfo>? signed = null)
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

            long gone = PathIndex.Remove(connection, transaction, removed);
            paths -= gone;
            bool anySigned = PathIndex.Sign(connection, transaction, signed ?? []) > 0;
            if (gone > 0)
                Note(connection, transaction, "INSERT OR REPLACE INTO removals (revision, digest, indexed_at) VALUES ($a, $b, $c)", checked((long)revision), removalDigest, DateTimeOffset.UtcNow.UtcTicks);
            if (publishedAt is { } at)
                Note(connection, transaction, "INSERT OR REPLACE INTO revisions (revision, published_at) VALUES ($a, $c)", checked((long)revision), null, at.UtcTicks);

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
            if (gone > 0 || anySigned)
                Paths.Changed();
            return true;
        }
    }

    /// <summary>Revisions that brought paths which are still there, ascending.</summary>
    public IReadOnlyList<ulong> RevisionsWithPaths
    {
        get
        {
            using SqliteConnection connection = Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "SELECT DISTINCT revision FROM paths ORDER BY revision";
            using SqliteDataReader row = command.ExecuteReader();
            var revisions = new List<ulong>();
            while (row.Read())
                revisions.Add(checked((ulong)row.GetInt64(0)));
            return revisions;
        }
    }

    /// <summary>Forgets everything: it is to be filled again from the first revision.</summary>
    internal void Clear()
    {
        lock (_writing)
        {
            using SqliteConnection connection = Open();
            using SqliteTransaction transaction = connection.BeginTransaction();
            using SqliteCommand command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "DELETE FROM paths; DELETE FROM content; DELETE FROM objects; DELETE FROM revisions; DELETE FROM removals; DELETE FROM meta";
            command.ExecuteNonQuery();
            transaction.Commit();
        }

        Paths.Changed();
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

    /// <summary>Removals whose paths can be had back, or whose objects may still be read, as far as this store knows; oldest first.</summary>
    public IReadOnlyList<IndexedRemoval> Removals
    {
        get
        {
            using SqliteConnection connection = Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "SELECT revision, digest, indexed_at FROM removals ORDER BY revision";
            using SqliteDataReader row = command.ExecuteReader();
            var removals = new List<IndexedRemoval>();
            while (row.Read())
                removals.Add(new IndexedRemoval(checked((ulong)row.GetInt64(0)), row.GetString(1), new DateTimeOffset(row.GetInt64(2), TimeSpan.Zero)));
            return removals;
        }
    }

    /// <summary>Forgets removals up to a revision: their paths cannot be had back any more. Repeating it changes nothing.</summary>
    internal void ForgetRemovals(ulong upTo)
    {
        lock (_writing)
        {
            using SqliteConnection connection = Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "DELETE FROM removals WHERE revision <= $upTo";
            command.Parameters.AddWithValue("$upTo", checked((long)upTo));
            command.ExecuteNonQuery();
        }
    }

    /// <summary>Forgets contents whose objects are about to be deleted: from here on nobody is told that they are present.</summary>
    internal void ForgetContents(IEnumerable<ContentDigest> digests)
    {
        lock (_writing)
        {
            using SqliteConnection connection = Open();
            using SqliteTransaction transaction = connection.BeginTransaction();
            foreach (ContentDigest digest in digests)
                ContentIndex.Remove(connection, transaction, digest);
            transaction.Commit();
        }
    }

    /// <summary>Every content with the objects it lies in, in no order; one consistent state, read as it is enumerated.</summary>
    internal IEnumerable<(ContentDigest Digest, ObjectName Object)> ContentObjects()
    {
        using SqliteConnection connection = Open();
        foreach ((ContentDigest Digest, ObjectName Object) row in Content.Objects(connection))
            yield return row;
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

    private static void Note(SqliteConnection connection, SqliteTransaction transaction, string sql, long a, string? b, long c)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        command.Parameters.AddWithValue("$a", a);
        if (b is not null)
            command.Parameters.AddWithValue("$b", b);
        command.Parameters.AddWithValue("$c", c);
        command.ExecuteNonQuery();
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
