using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Index;

/// <summary>The registrations of all committed paths, in a file: memory does not grow with the repository. Thread-safe.</summary>
public sealed class PathIndex
{
    // Lookups by hash part are ranges of the primary key, because a base name starts with it: no second index to keep.
    internal const string Schema =
        """
        CREATE TABLE IF NOT EXISTS paths (
          name TEXT PRIMARY KEY,
          nar_hash BLOB NOT NULL,
          nar_size INTEGER NOT NULL,
          refs TEXT NOT NULL,
          deriver TEXT,
          sigs TEXT NOT NULL,
          ca TEXT,
          revision INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS paths_by_revision ON paths (revision);
        """;

    private const string Columns = "name, nar_hash, nar_size, refs, deriver, sigs, ca, revision";

    private readonly string _connectionString;
    private long _changes;

    /// <summary>
    /// Counts the times that paths which had been indexed changed or went, in this process: whoever keeps what it found looks again then. New
    /// paths do not count.
    /// </summary>
    public long Changes => Interlocked.Read(ref _changes);

    /// <summary>Indexed paths have changed; called when that can be read.</summary>
    internal void Changed() => Interlocked.Increment(ref _changes);

    internal PathIndex(string connectionString) => _connectionString = connectionString;

    /// <summary>The committed path of that name, or null.</summary>
    public IndexedPath? Find(StorePathName path) =>
        Query($"SELECT {Columns} FROM paths WHERE name = $a", path.Value).FirstOrDefault();

    /// <summary>The committed path whose base name starts with these 32 digits, or null; what binary caches are asked for.</summary>
    public IndexedPath? FindByHashPart(string hashPart)
    {
        ArgumentNullException.ThrowIfNull(hashPart);
        return hashPart.Length != StorePathName.HashLength
            ? null
            : Query($"SELECT {Columns} FROM paths WHERE name > $a AND name < $b ORDER BY name LIMIT 1", hashPart + "-", hashPart + ".").FirstOrDefault();
    }

    /// <summary>The NAR hashes of the committed ones among <paramref name="paths"/>, in their order; null for the others. One consistent state.</summary>
    public IReadOnlyList<NarHash?> FindHashes(IReadOnlyList<StorePathName> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var found = new NarHash?[paths.Count];
        using PathLookup lookup = OpenLookup();
        for (int i = 0; i < found.Length; i++)
            found[i] = lookup.Find(paths[i]);
        return found;
    }

    /// <summary>Many questions to one consistent state, which is given up with the lookup.</summary>
    internal PathLookup OpenLookup() => new(Open());

    /// <summary>All committed paths in ordinal order, streamed.</summary>
    public IEnumerable<IndexedPath> All() => Query($"SELECT {Columns} FROM paths ORDER BY name");

    /// <summary>Committed paths.</summary>
    public long Count()
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM paths";
        return (long)command.ExecuteScalar()!;
    }

    /// <summary>How many paths there are, and how many characters their signatures have, a separator between two of a path included.</summary>
    internal (long Paths, long SignatureLength) Measure()
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT count(*), coalesce(sum(length(sigs)), 0) FROM paths";
        using SqliteDataReader row = command.ExecuteReader();
        return row.Read() ? (row.GetInt64(0), row.GetInt64(1)) : default;
    }

    /// <summary>Names, references and revisions of all committed paths, with the time of each revision where it is known; in ordinal order, streamed.</summary>
    public IEnumerable<(StorePathName Path, IReadOnlyList<StorePathName> References, ulong Revision, DateTimeOffset? PublishedAt)> Facts()
    {
        // References repeat the same names over and over: one string for each.
        var names = new Dictionary<string, StorePathName>(StringComparer.Ordinal);
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT p.name, p.refs, p.revision, r.published_at FROM paths p LEFT JOIN revisions r ON r.revision = p.revision ORDER BY p.name";
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            yield return (
                Name(row.GetString(0)),
                [.. Parts(row.GetString(1), ' ').Select(Name)],
                checked((ulong)row.GetInt64(2)),
                row.IsDBNull(3) ? null : new DateTimeOffset(row.GetInt64(3), TimeSpan.Zero));
        }

        StorePathName Name(string text)
        {
            if (!names.TryGetValue(text, out StorePathName name))
                names.Add(text, name = StorePathName.Parse(text));
            return name;
        }
    }

    /// <summary>Names of all committed paths that need others, and of these, separated by spaces, in no particular order; streamed, and as text: it is asked of all paths.</summary>
    internal IEnumerable<(string Path, string References)> Needing(CancellationToken cancellationToken)
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT name, refs FROM paths WHERE refs <> ''";
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return (row.GetString(0), row.GetString(1));
        }
    }

    /// <summary>Removes paths inside the caller's transaction; returns how many were there.</summary>
    internal static long Remove(SqliteConnection connection, SqliteTransaction transaction, IEnumerable<StorePathName> paths)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "DELETE FROM paths WHERE name = $name";
        SqliteParameter name = command.Parameters.Add("$name", SqliteType.Text);
        long removed = 0;
        foreach (StorePathName path in paths)
        {
            name.Value = path.Value;
            removed += command.ExecuteNonQuery();
        }

        return removed;
    }

    /// <summary>Gives paths the signatures of these registrations inside the caller's transaction; returns how many there were to give.</summary>
    internal static long Sign(SqliteConnection connection, SqliteTransaction transaction, IEnumerable<PathInfo> signed)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "UPDATE paths SET sigs = $sigs WHERE name = $name AND nar_hash = $hash";
        foreach (string parameter in (ReadOnlySpan<string>)["$sigs", "$name", "$hash"])
            command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        long changed = 0;
        foreach (PathInfo info in signed)
        {
            command.Parameters["$sigs"].Value = string.Join('\n', info.Signatures);
            command.Parameters["$name"].Value = info.Path.Value;
            command.Parameters["$hash"].Value = info.NarHash.ToArray();
            changed += command.ExecuteNonQuery();
        }

        return changed;
    }

    /// <summary>A prepared insert for many paths; a path that is there stays as it is.</summary>
    internal sealed class Inserter : IDisposable
    {
        private readonly SqliteCommand _command;

        public Inserter(SqliteConnection connection, SqliteTransaction transaction)
        {
            _command = connection.CreateCommand();
            _command.Transaction = transaction;
            _command.CommandText = $"INSERT OR IGNORE INTO paths ({Columns}) VALUES ($name, $hash, $size, $refs, $deriver, $sigs, $ca, $revision)";
            foreach (string parameter in (ReadOnlySpan<string>)["$name", "$hash", "$size", "$refs", "$deriver", "$sigs", "$ca", "$revision"])
                _command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        }

        /// <summary>True when the path was new.</summary>
        public bool Insert(PathInfo info, ulong revision)
        {
            SqliteParameterCollection p = _command.Parameters;
            p["$name"].Value = info.Path.Value;
            p["$hash"].Value = info.NarHash.ToArray();
            p["$size"].Value = info.NarSize;
            p["$refs"].Value = string.Join(' ', info.References.Select(r => r.Value));
            p["$deriver"].Value = info.Deriver is { } deriver ? deriver.Value : DBNull.Value;
            p["$sigs"].Value = string.Join('\n', info.Signatures);
            p["$ca"].Value = info.ContentAddress ?? (object)DBNull.Value;
            p["$revision"].Value = checked((long)revision);
            return _command.ExecuteNonQuery() == 1;
        }

        public void Dispose() => _command.Dispose();
    }

    private IEnumerable<IndexedPath> Query(string sql, string? a = null, string? b = null)
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        if (a is not null)
            command.Parameters.AddWithValue("$a", a);
        if (b is not null)
            command.Parameters.AddWithValue("$b", b);
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
            yield return Read(row);
    }

    private static IndexedPath Read(SqliteDataReader row) => new(
        new PathInfo
        {
            Path = StorePathName.Parse(row.GetString(0)),
            NarHash = new NarHash(row.GetFieldValue<byte[]>(1)),
            NarSize = row.GetInt64(2),
            References = [.. Parts(row.GetString(3), ' ').Select(StorePathName.Parse)],
            Deriver = row.IsDBNull(4) ? null : StorePathName.Parse(row.GetString(4)),
            Signatures = Parts(row.GetString(5), '\n'),
            ContentAddress = row.IsDBNull(6) ? null : row.GetString(6),
        },
        checked((ulong)row.GetInt64(7)));

    private static string[] Parts(string text, char separator) => text.Length == 0 ? [] : text.Split(separator);

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(_connectionString);
        connection.Open();
        return connection;
    }
}
