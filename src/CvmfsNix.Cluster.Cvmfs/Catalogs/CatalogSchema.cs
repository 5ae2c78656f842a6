namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>Tables of a catalog, schema 2.5 revision 6: what released servers write. Revision 7 only adds nanoseconds.</summary>
internal static class CatalogSchema
{
    public const string Schema = "2.5";
    public const int Revision = 6;

    // Ordinary rowid tables: the rowid becomes the client's inode number.
    public const string Tables = """
        CREATE TABLE properties (key TEXT, value TEXT, PRIMARY KEY (key));
        CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER, hardlinks INTEGER, hash BLOB, size INTEGER,
          mode INTEGER, mtime INTEGER, flags INTEGER, name TEXT, symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB, PRIMARY KEY (md5path_1, md5path_2));
        CREATE INDEX catalog_by_parent ON catalog (parent_1, parent_2);
        CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER, size INTEGER, hash BLOB, PRIMARY KEY (md5path_1, md5path_2, offset, size),
          FOREIGN KEY (md5path_1, md5path_2) REFERENCES catalog (md5path_1, md5path_2));
        CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER, PRIMARY KEY (path));
        CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, PRIMARY KEY (path));
        CREATE TABLE statistics (counter TEXT, value INTEGER, PRIMARY KEY (counter));
        """;
}
