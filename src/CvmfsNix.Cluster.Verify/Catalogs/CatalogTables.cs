using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>The tables of a catalog, by statements of this project's own. Columns are addressed by name; their order differs between writers.</summary>
internal sealed class CatalogTables
{
    private const int PropertiesMax = 1000;
    private const int RevisionWithXattrs = 2;
    private const int RevisionWithBindMountPoints = 4;
    private const int RevisionWithNanoseconds = 7;

    private static readonly string[] CatalogColumns =
        ["md5path_1", "md5path_2", "parent_1", "parent_2", "hardlinks", "hash", "size", "mode", "mtime", "flags", "name", "symlink", "uid", "gid"];

    private readonly Database _database;
    private readonly string _columns;

    private CatalogTables(Database database, string columns, bool hasBindMountPoints)
    {
        _database = database;
        _columns = columns;
        HasBindMountPoints = hasBindMountPoints;
    }

    public Database Database => _database;

    public bool HasBindMountPoints { get; }

    /// <summary>Looks whether tables and columns are what the schema revision asks for; null, with the fault, when not.</summary>
    public static CatalogTables? Open(Database database, long schemaRevision, out string fault)
    {
        HashSet<string> columns = database.Columns("catalog");
        List<string> wanted = [.. CatalogColumns];
        if (schemaRevision >= RevisionWithXattrs)
            wanted.Add("xattr");
        if (schemaRevision >= RevisionWithNanoseconds)
            wanted.Add("mtimens");
        fault = Lacks("catalog", columns, wanted)
            ?? Lacks("chunks", database.Columns("chunks"), ["md5path_1", "md5path_2", "offset", "size", "hash"])
            ?? Lacks("nested_catalogs", database.Columns("nested_catalogs"), ["path", "sha1", "size"])
            ?? Lacks("statistics", database.Columns("statistics"), ["counter", "value"])
            ?? (schemaRevision >= RevisionWithBindMountPoints ? Lacks("bind_mountpoints", database.Columns("bind_mountpoints"), ["path", "sha1", "size"]) : null)
            ?? (IsRowidTable(database) ? null : "the table catalog is WITHOUT ROWID, but clients number files by the rowid")
            ?? "";
        if (fault.Length > 0)
            return null;
        string list = string.Join(
            ", ",
            "md5path_1", "md5path_2", "parent_1", "parent_2", "hardlinks", "hash", "size", "mode", "mtime",
            columns.Contains("mtimens") ? "mtimens" : "NULL", "flags", "name", "symlink", columns.Contains("xattr") ? "xattr" : "NULL");
        return new CatalogTables(database, list, database.Columns("bind_mountpoints").Count > 0);
    }

    /// <summary>The index that is missing, or null. Without them look-ups would read whole tables, in clients as here.</summary>
    public string? IndexFault()
    {
        if (!_database.HasIndex("catalog", unique: true, "md5path_1", "md5path_2"))
            return "the table catalog has no primary key of md5path_1 and md5path_2";
        if (!_database.HasIndex("catalog", unique: false, "parent_1", "parent_2"))
            return "the table catalog has no index on parent_1 and parent_2";
        if (!_database.HasIndex("chunks", unique: false, "md5path_1", "md5path_2"))
            return "the table chunks has no primary key that begins with md5path_1 and md5path_2";
        return _database.HasIndex("nested_catalogs", unique: true, "path") ? null : "the table nested_catalogs has no primary key";
    }

    /// <summary>The properties as text.</summary>
    public static Dictionary<string, string> Properties(Database database)
    {
        var properties = new Dictionary<string, string>(StringComparer.Ordinal);
        using Statement rows = database.Rent($"SELECT key, value FROM properties LIMIT {PropertiesMax}");
        while (rows.Step())
            properties[rows.String(0)] = rows.String(1);
        return properties;
    }

    /// <summary>How many rows hold something else than a number where a number belongs.</summary>
    public long OddlyTypedRows() => _database.Number(
        """
        SELECT count(*) FROM catalog WHERE typeof(md5path_1)<>'integer' OR typeof(md5path_2)<>'integer' OR typeof(parent_1)<>'integer' OR typeof(parent_2)<>'integer'
          OR typeof(hardlinks)<>'integer' OR typeof(size)<>'integer' OR typeof(mode)<>'integer' OR typeof(mtime)<>'integer' OR typeof(flags)<>'integer'
        """);

    public long CountRows() => _database.Number("SELECT count(*) FROM catalog");

    /// <summary>The row of a key, or null.</summary>
    public CatalogRow? Find(RowKey key)
    {
        using Statement row = _database.Rent($"SELECT {_columns} FROM catalog WHERE md5path_1=?1 AND md5path_2=?2");
        row.Integer(1, key.First).Integer(2, key.Last);
        return row.Step() ? Read(row) : null;
    }

    /// <summary>The row of a rowid, or null.</summary>
    public CatalogRow? FindRow(long rowid)
    {
        using Statement row = _database.Rent($"SELECT {_columns} FROM catalog WHERE rowid=?1");
        row.Integer(1, rowid);
        return row.Step() ? Read(row) : null;
    }

    /// <summary>Rows with this parent key, bytewise by name; the caller steps, reads by <see cref="Read"/>, and disposes.</summary>
    public Statement Children(RowKey parent) => _database
        .Rent($"SELECT {_columns} FROM catalog WHERE parent_1=?1 AND parent_2=?2 ORDER BY CAST(name AS BLOB)")
        .Integer(1, parent.First).Integer(2, parent.Last);

    /// <summary>As <see cref="Children"/>, directories only, in no order.</summary>
    public Statement ChildDirectories(RowKey parent) => _database
        .Rent($"SELECT {_columns} FROM catalog WHERE parent_1=?1 AND parent_2=?2 AND (mode & 61440)=16384")
        .Integer(1, parent.First).Integer(2, parent.Last);

    public long CountChildren(RowKey parent)
    {
        using Statement count = _database.Rent("SELECT count(*) FROM catalog WHERE parent_1=?1 AND parent_2=?2");
        count.Integer(1, parent.First).Integer(2, parent.Last);
        return count.Step() ? count.Integer(0) : 0;
    }

    /// <summary>True when the key has chunk rows.</summary>
    public bool HasChunks(RowKey key)
    {
        using Statement rows = Chunks(key);
        return rows.Step();
    }

    /// <summary>Columns offset, size and hash of a file's chunk rows in order.</summary>
    public Statement Chunks(RowKey key) => _database
        .Rent("SELECT \"offset\", size, hash FROM chunks WHERE md5path_1=?1 AND md5path_2=?2 ORDER BY \"offset\", size")
        .Integer(1, key.First).Integer(2, key.Last);

    /// <summary>True when this path is in <c>nested_catalogs</c>.</summary>
    public bool IsRegistered(ReadOnlySpan<byte> path)
    {
        using Statement row = _database.Rent("SELECT 1 FROM nested_catalogs WHERE path=?1");
        row.Text(1, path);
        return row.Step();
    }

    /// <summary>True when this path is in <c>bind_mountpoints</c>.</summary>
    public bool IsBound(ReadOnlySpan<byte> path)
    {
        if (!HasBindMountPoints)
            return false;
        using Statement row = _database.Rent("SELECT 1 FROM bind_mountpoints WHERE path=?1");
        row.Text(1, path);
        return row.Step();
    }

    /// <summary>The row under a statement of this class.</summary>
    public static CatalogRow Read(Statement row) => new()
    {
        Key = new RowKey(row.Integer(0), row.Integer(1)),
        Parent = new RowKey(row.Integer(2), row.Integer(3)),
        Hardlinks = row.Integer(4),
        Hash = row.IsNull(5) ? null : row.Bytes(5).ToArray(),
        HashIsBlob = row.IsBlob(5),
        Size = row.Integer(6),
        Mode = row.Integer(7),
        ModifiedAt = row.Integer(8),
        ModifiedAtNanos = row.IsNull(9) ? null : row.Integer(9),
        Flags = row.Integer(10),
        Name = row.IsNull(11) ? null : row.Bytes(11).ToArray(),
        NameIsText = row.IsText(11),
        SymlinkIsText = row.IsText(12),
        Symlink = row.IsNull(12) ? null : row.Bytes(12).ToArray(),
        Xattrs = row.IsNull(13) ? null : row.Bytes(13).ToArray(),
    };

    private static string? Lacks(string table, HashSet<string> there, IEnumerable<string> wanted)
    {
        if (there.Count == 0)
            return $"there is no table {table}";
        string[] missing = [.. wanted.Where(c => !there.Contains(c))];
        return missing.Length == 0 ? null : $"the table {table} lacks {string.Join(", ", missing)}";
    }

    private static bool IsRowidTable(Database database)
    {
        using Statement list = database.Rent("SELECT wr FROM pragma_table_list WHERE schema='main' AND name='catalog'");
        return !list.Step() || list.Integer(0) == 0;
    }
}
