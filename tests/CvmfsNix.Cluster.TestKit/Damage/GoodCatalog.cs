using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>Writes catalogs of schema 2.5, revision 7, with statements and counters written out by hand.</summary>
internal static class GoodCatalog
{
    /// <summary>Nanoseconds of every row's time of modification.</summary>
    public const int Nanos = 123456789;

    /// <summary>Seconds of every row's time of modification.</summary>
    public const long ModifiedAt = 1_700_000_000;

    private const string Tables = """
        CREATE TABLE properties (key TEXT, value TEXT, PRIMARY KEY (key));
        CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER, hardlinks INTEGER, hash BLOB, size INTEGER,
          mode INTEGER, mtime INTEGER, mtimens INTEGER, flags INTEGER, name TEXT, symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB,
          PRIMARY KEY (md5path_1, md5path_2));
        CREATE INDEX by_parent ON catalog (parent_1, parent_2);
        CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER, size INTEGER, hash BLOB, PRIMARY KEY (md5path_1, md5path_2, offset, size));
        CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER, PRIMARY KEY (path));
        CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, PRIMARY KEY (path));
        CREATE TABLE statistics (counter TEXT, value INTEGER, PRIMARY KEY (counter));
        INSERT INTO properties VALUES ('schema', 2.5), ('schema_revision', 7);
        """;

    /// <summary>The SQLite file of a catalog.</summary>
    /// <param name="properties">Besides the schema.</param>
    /// <param name="rows">The root row first.</param>
    /// <param name="nested">Its nested catalogs.</param>
    /// <param name="counters">Values that are not zero; every counter gets a row.</param>
    public static byte[] Write(
        (string Key, object Value)[] properties, CatalogRow[] rows, (string Path, string Hash, long Size)[] nested, (string Counter, long Value)[] counters) =>
        SqliteBytes.Create(connection =>
        {
            SqliteBytes.Run(connection, Tables);
            foreach ((string key, object value) in properties)
                SqliteBytes.Run(connection, "INSERT INTO properties VALUES ($0, $1)", key, value);
            foreach (CatalogRow row in rows)
                Insert(connection, row);
            foreach ((string path, string hash, long size) in nested)
                SqliteBytes.Run(connection, "INSERT INTO nested_catalogs VALUES ($0, $1, $2)", path, hash, size);
            foreach (string counter in Counters.All)
                SqliteBytes.Run(connection, "INSERT INTO statistics VALUES ($0, $1)", counter, counters.Where(c => c.Counter == counter).Sum(c => c.Value));
        });

    private static void Insert(SqliteConnection connection, CatalogRow row)
    {
        int slash = row.Path.LastIndexOf('/');
        SqliteBytes.Run(
            connection,
            $"""
             INSERT INTO catalog (md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, mtimens, flags, name, symlink, uid, gid, xattr)
             VALUES (key1($0), key2($0), {(slash < 0 ? "0, 0" : "key1($1), key2($1)")}, $2, $3, $4, $5, {ModifiedAt}, {Nanos}, $6, $7, $8, 1000, 100, $9)
             """,
            row.Path,
            slash < 0 ? "" : row.Path[..slash],
            (long)row.Group << 32 | (uint)row.Links,
            row.Hash is { } hash ? Convert.FromHexString(hash) : null,
            row.Size,
            row.Mode,
            row.Flags,
            row.Path[(slash + 1)..],
            row.Symlink,
            row.Xattr);
        foreach ((int offset, int size, string chunk) in row.Chunks)
            SqliteBytes.Run(connection, "INSERT INTO chunks VALUES (key1($0), key2($0), $1, $2, $3)", row.Path, offset, size, Convert.FromHexString(chunk));
    }
}
