using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.Verify.Catalogs;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>
/// A catalog of nothing but what a commit added to another: its root row and marker, the rows beyond the marks, and what the counters and the
/// link count of the root grew by. It has to keep every rule that a whole catalog keeps, and costs what the commit added.
/// </summary>
internal static class DeltaCatalog
{
    // Schema 2.5, revision 6.
    private const string Schema =
        """
        CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key));
        CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER, hardlinks INTEGER, hash BLOB, size INTEGER,
          mode INTEGER, mtime INTEGER, flags INTEGER, name TEXT, symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB, CONSTRAINT pk_catalog PRIMARY KEY (md5path_1, md5path_2));
        CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER, size INTEGER, hash BLOB, CONSTRAINT pk_chunks PRIMARY KEY (md5path_1, md5path_2, offset, size));
        CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER, CONSTRAINT pk_nested PRIMARY KEY (path));
        CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, CONSTRAINT pk_bind PRIMARY KEY (path));
        CREATE TABLE statistics (counter TEXT, value INTEGER, CONSTRAINT pk_statistics PRIMARY KEY (counter));
        CREATE INDEX idx_catalog_parent ON catalog (parent_1, parent_2);
        """;

    // The two rows every catalog of a directory starts with: the directory itself and its empty marker.
    private static readonly CounterSet Baseline = CounterSet.Of([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);

    /// <summary>Writes it, and tells what it holds.</summary>
    /// <param name="file">Where to write it.</param>
    /// <param name="working">The catalog after the commit; nobody changes it meanwhile.</param>
    /// <param name="before">Its marks before the commit.</param>
    /// <param name="format">Where the store directory lies.</param>
    /// <returns>The rows added, and the counters and root row of the whole catalog after the commit.</returns>
    public static AddedRows Write(string file, string working, CatalogMarks before, RepositoryFormat format)
    {
        RepositoryPath root = format.StoreRoot;
        using SqliteConnection connection = GuardSql.Create(file);
        GuardSql.Attach(connection, working);
        CatalogMarks after = CatalogMarks.Read(connection, "w", root);
        string isRoot = GuardSql.IsRow(root.Key), isMarker = GuardSql.IsRow(root.Combine(TreeRules.Marker).Key);
        GuardSql.Execute(
            connection,
            $"""
            BEGIN;
            {Schema}
            {Frame(isRoot, isMarker)}
            INSERT INTO catalog SELECT {GuardSql.EntryColumns} FROM w.catalog WHERE rowid > {before.Entries} AND NOT ({isRoot}) AND NOT ({isMarker});
            INSERT INTO chunks SELECT md5path_1, md5path_2, offset, size, hash FROM w.chunks WHERE rowid > {before.Chunks};
            INSERT INTO nested_catalogs SELECT path, sha1, size FROM w.nested_catalogs WHERE rowid > {before.Nested};
            UPDATE catalog SET hardlinks = hardlinks - {before.RootLinks} + 2 WHERE {isRoot};
            {Insert("self_", GuardSql.Minus(after.Self, before.Self).Plus(Baseline))}
            {Insert("subtree_", GuardSql.Minus(after.Subtree, before.Subtree))}
            COMMIT;
            """);
        return new AddedRows(Fingerprint(connection, isRoot, isMarker), CatalogFingerprint.Of(connection, format, CancellationToken.None), after, ReadRoot(connection, isRoot));
    }

    /// <summary>
    /// Begins a catalog of nothing but what a commit is about to remove: the rows of some store paths and of all below them, as they stand before the first
    /// edit. To be finished once they are gone.
    /// </summary>
    /// <param name="file">Where to write it; the caller deletes it.</param>
    /// <param name="working">The catalog before the commit; nobody changes it meanwhile.</param>
    /// <param name="gone">What is to go.</param>
    /// <param name="format">Where the store directory lies.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static RemovedRows BeginRemoved(string file, string working, IEnumerable<StorePathName> gone, RepositoryFormat format, CancellationToken cancellationToken)
    {
        RepositoryPath root = format.StoreRoot;
        using SqliteConnection connection = GuardSql.Create(file);
        GuardSql.Attach(connection, working);
        CatalogMarks before = CatalogMarks.Read(connection, "w", root);
        GuardSql.Execute(connection, "BEGIN; CREATE TEMP TABLE gone (path TEXT, high INTEGER, low INTEGER);" + Schema);
        using (SqliteCommand insert = connection.CreateCommand())
        {
            insert.CommandText = "INSERT INTO temp.gone VALUES ($path, $high, $low)";
            SqliteParameter path = insert.Parameters.Add("$path", SqliteType.Text), high = insert.Parameters.Add("$high", SqliteType.Integer), low = insert.Parameters.Add("$low", SqliteType.Integer);
            foreach (RepositoryPath one in gone.Select(g => root.Combine(g.Value)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                (path.Value, high.Value, low.Value) = (one.ToString(), one.Key.High, one.Key.Low);
                insert.ExecuteNonQuery();
            }
        }

        // CROSS JOIN keeps the order: from the few rows to the many.
        string columns = string.Join(", ", GuardSql.EntryColumns.Split(", ").Select(c => "c." + c));
        GuardSql.Execute(
            connection,
            $"""
            CREATE TEMP TABLE below AS
              WITH RECURSIVE tree (high, low) AS (
                SELECT high, low FROM temp.gone
                UNION
                SELECT c.md5path_1, c.md5path_2 FROM tree t CROSS JOIN w.catalog c ON c.parent_1 = t.high AND c.parent_2 = t.low)
              SELECT high, low FROM tree;
            INSERT INTO catalog SELECT {columns} FROM temp.below b CROSS JOIN w.catalog c ON c.md5path_1 = b.high AND c.md5path_2 = b.low;
            INSERT INTO chunks SELECT c.md5path_1, c.md5path_2, c.offset, c.size, c.hash FROM temp.below b CROSS JOIN w.chunks c ON c.md5path_1 = b.high AND c.md5path_2 = b.low;
            INSERT INTO nested_catalogs SELECT n.path, n.sha1, n.size FROM temp.gone g CROSS JOIN w.nested_catalogs n ON n.path = g.path;
            COMMIT;
            """);
        string isRoot = GuardSql.IsRow(root.Key), isMarker = GuardSql.IsRow(root.Combine(TreeRules.Marker).Key);
        return new RemovedRows(before, Fingerprint(connection, isRoot, isMarker), CatalogFingerprint.Of(connection, format, cancellationToken));
    }

    /// <summary>Ends it: its root row, and what counters and links of the whole catalog have lost.</summary>
    /// <param name="file">What was begun.</param>
    /// <param name="working">The catalog after the commit; nobody changes it meanwhile.</param>
    /// <param name="before">Its marks before the commit.</param>
    /// <param name="format">Where the store directory lies.</param>
    /// <returns>Counters and root row of the whole catalog after the commit.</returns>
    public static (CatalogMarks After, TransitionRow? Root) EndRemoved(string file, string working, CatalogMarks before, RepositoryFormat format)
    {
        RepositoryPath root = format.StoreRoot;
        using SqliteConnection connection = GuardSql.OpenOwn(file);
        GuardSql.Attach(connection, working);
        CatalogMarks after = CatalogMarks.Read(connection, "w", root);
        string isRoot = GuardSql.IsRow(root.Key), isMarker = GuardSql.IsRow(root.Combine(TreeRules.Marker).Key);
        GuardSql.Execute(
            connection,
            $"""
            BEGIN;
            {Frame(isRoot, isMarker)}
            UPDATE catalog SET hardlinks = {before.RootLinks} - hardlinks + 2 WHERE {isRoot};
            {Insert("self_", GuardSql.Minus(before.Self, after.Self).Plus(Baseline))}
            {Insert("subtree_", GuardSql.Minus(before.Subtree, after.Subtree))}
            COMMIT;
            """);
        return (after, ReadRoot(connection, isRoot));
    }

    // What every catalog has, taken from the whole one: properties, the row of its root and the marker; and what it must not have.
    private static string Frame(string isRoot, string isMarker) =>
        $"""
        INSERT INTO properties SELECT key, value FROM w.properties;
        INSERT INTO catalog SELECT {GuardSql.EntryColumns} FROM w.catalog WHERE {isRoot};
        INSERT INTO catalog SELECT {GuardSql.EntryColumns} FROM w.catalog WHERE {isMarker};
        INSERT INTO bind_mountpoints SELECT path, sha1, size FROM w.bind_mountpoints;
        """;

    private static string Insert(string prefix, CounterSet counters) =>
        string.Concat(CounterSet.Names.Select(n => $"INSERT INTO statistics VALUES ('{prefix}{n}', {counters[n]});\n"));

    private static RowFingerprint Fingerprint(SqliteConnection connection, string isRoot, string isMarker)
    {
        var rows = new RowFingerprint();
        Read($"SELECT md5path_1, md5path_2, mode, size, flags, hash, CAST(symlink AS BLOB) FROM catalog WHERE NOT ({isRoot}) AND NOT ({isMarker})",
            r => rows.AddEntry(r.GetInt64(0), r.GetInt64(1), Number(r, 2), Number(r, 3), Number(r, 4), Bytes(r, 5), Bytes(r, 6)));
        Read("SELECT md5path_1, md5path_2, offset, size, hash FROM chunks", r => rows.AddChunk(Number(r, 0), Number(r, 1), Number(r, 2), Number(r, 3), Bytes(r, 4)));
        Read("SELECT CAST(path AS BLOB), CAST(sha1 AS BLOB), size FROM nested_catalogs", r => rows.AddNested(Bytes(r, 0), Bytes(r, 1), Number(r, 2)));
        return rows;

        void Read(string sql, Action<SqliteDataReader> take)
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            using SqliteDataReader row = command.ExecuteReader();
            while (row.Read())
                take(row);
        }

        static long Number(SqliteDataReader row, int column) => row.GetValue(column) is long number ? number : long.MinValue;

        static byte[] Bytes(SqliteDataReader row, int column) => row.GetValue(column) as byte[] ?? [];
    }

    // From the working file, not from the copy, whose link count is the growth.
    private static TransitionRow? ReadRoot(SqliteConnection connection, string isRoot)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"SELECT CAST(name AS BLOB), hardlinks, size, mode, mtime, hash, flags, CAST(symlink AS BLOB), xattr FROM w.catalog WHERE {isRoot}";
        using SqliteDataReader row = command.ExecuteReader();
        return !row.Read()
            ? null
            : new TransitionRow
            {
                Name = (byte[])row.GetValue(0),
                Hardlinks = row.GetInt64(1),
                Size = row.GetInt64(2),
                Mode = row.GetInt64(3),
                ModifiedAt = row.GetInt64(4),
                Hash = row.IsDBNull(5) ? null : (ReadOnlyMemory<byte>?)(byte[])row.GetValue(5),
                Flags = row.GetInt64(6),
                Symlink = row.IsDBNull(7) ? default : (byte[])row.GetValue(7),
                HasXattrs = !row.IsDBNull(8),
            };
    }
}

/// <summary>What a commit added to a catalog, and what the catalog is after it.</summary>
/// <param name="Rows">Of all three tables, as far as the records tell what they are.</param>
/// <param name="Whole">All columns of these.</param>
/// <param name="After">Marks of the whole catalog.</param>
/// <param name="Root">Row of the directory it is mounted at; null when it is gone.</param>
internal sealed record AddedRows(RowFingerprint Rows, CatalogFingerprint Whole, CatalogMarks After, TransitionRow? Root);

/// <summary>What a commit is about to remove from a catalog.</summary>
/// <param name="Before">Marks of the whole catalog, with all of it.</param>
/// <param name="Rows">Of all three tables, as far as the records tell what they are.</param>
/// <param name="Whole">All columns of these.</param>
internal sealed record RemovedRows(CatalogMarks Before, RowFingerprint Rows, CatalogFingerprint Whole);
