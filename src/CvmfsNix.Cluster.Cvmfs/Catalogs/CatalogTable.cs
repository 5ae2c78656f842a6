using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Sqlite;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>
/// Rows of an open catalog as entries, for the reader and the writer. Every row is checked on its way out: it must have the key and the name of the path
/// it was asked for, so neither a forged key nor a loop of parents leads anywhere.
/// </summary>
internal sealed class CatalogTable
{
    private readonly SqliteDatabase _database;
    private readonly string _find;
    private readonly string _list;
    private readonly string _nested;
    private readonly bool _hasChunks;

    public CatalogTable(SqliteDatabase database)
    {
        _database = database;
        var columns = database.Columns("catalog");
        if (columns.Count == 0) throw database.Fault("it has no table 'catalog'");
        HasNanos = columns.Contains("mtimens");
        HasXattrs = columns.Contains("xattr");
        var select = "SELECT md5path_1, md5path_2, hardlinks, hash, size, mode, mtime, " + (HasNanos ? "mtimens" : "NULL") + ", flags, name, symlink, uid, gid, "
            + (HasXattrs ? "xattr" : "NULL") + " FROM catalog ";
        _find = select + "WHERE md5path_1=?1 AND md5path_2=?2";
        _list = select + "WHERE parent_1=?1 AND parent_2=?2 ORDER BY name";
        _hasChunks = database.HasTable("chunks");
        _nested = database.HasTable("nested_catalogs")
            ? "SELECT path, sha1, " + (database.Columns("nested_catalogs").Contains("size") ? "size" : "0") + " FROM nested_catalogs "
            : throw database.Fault("it has no table 'nested_catalogs'");
    }

    public bool HasNanos { get; }

    public bool HasXattrs { get; }

    public CatalogEntry? Find(RepositoryPath path)
    {
        var key = path.Key;
        using var statement = _database.Rent(_find);
        statement.Integer(1, key.High).Integer(2, key.Low);
        return statement.Step() ? Entry(statement, path, key) : null;
    }

    public bool Contains(RepositoryPath path)
    {
        var key = path.Key;
        using var statement = _database.Rent("SELECT 1 FROM catalog WHERE md5path_1=?1 AND md5path_2=?2");
        statement.Integer(1, key.High).Integer(2, key.Low);
        return statement.Step();
    }

    /// <summary>Entries of a directory, bytewise by name, read as they are asked for.</summary>
    public IEnumerable<CatalogEntry> List(RepositoryPath directory)
    {
        var key = directory.Key;
        using var statement = _database.Rent(_list);
        statement.Integer(1, key.High).Integer(2, key.Low);
        RepositoryPath? last = null;
        while (statement.Step())
        {
            var path = Child(directory, statement.Bytes(9));
            // Damaged pages can show one row any number of times, and each directory again with all that is in it.
            if (path <= last) throw _database.Fault($"the rows of {directory} are not in the order of their names: {path} does not come after {last}");
            last = path;
            yield return Entry(statement, path, path.Key);
        }
    }

    /// <summary>All entries reachable from the catalog's root row: a directory, then what is in it.</summary>
    public IEnumerable<CatalogEntry> All(RepositoryPath root)
    {
        if (Find(root) is not { } first) yield break;
        yield return first;
        var open = new Stack<IEnumerator<CatalogEntry>>();
        try
        {
            if (first.Type == EntryType.Directory) open.Push(List(root).GetEnumerator());
            while (open.TryPeek(out var level))
            {
                if (!level.MoveNext())
                {
                    open.Pop().Dispose();
                    continue;
                }

                var entry = level.Current;
                yield return entry;
                if (entry.Type == EntryType.Directory) open.Push(List(entry.Path).GetEnumerator());
            }
        }
        finally
        {
            while (open.TryPop(out var level)) level.Dispose();
        }
    }

    public List<NestedCatalog> Nested()
    {
        var found = new List<NestedCatalog>();
        using var statement = _database.Rent(_nested + "ORDER BY path");
        while (statement.Step())
        {
            var nested = NestedOf(statement);
            if (found.Count > 0 && nested.Path <= found[^1].Path) throw _database.Fault($"the nested catalog at {nested.Path} does not come after {found[^1].Path}");
            found.Add(nested);
        }

        return found;
    }

    public NestedCatalog? FindNested(RepositoryPath path)
    {
        using var statement = _database.Rent(_nested + "WHERE path=?1");
        statement.Text(1, path.Bytes.Span);
        return statement.Step() ? NestedOf(statement) : null;
    }

    public IEnumerable<CatalogReference> References()
    {
        const long external = (long)CatalogFlags.External;
        using (var rows = _database.Rent($"SELECT hash, size, flags FROM catalog WHERE hash IS NOT NULL AND flags & {external} = 0 AND mode & 61440 <> 16384"))
        {
            while (rows.Step()) yield return ReferenceOf(rows, ObjectKind.Data);
        }

        if (_hasChunks)
        {
            using var rows = _database.Rent(
                "SELECT chunks.hash, chunks.size, catalog.flags FROM chunks JOIN catalog ON catalog.md5path_1=chunks.md5path_1 AND catalog.md5path_2=chunks.md5path_2 "
                + $"WHERE catalog.flags & {external} = 0");
            while (rows.Step()) yield return ReferenceOf(rows, ObjectKind.Chunk);
        }

        using (var rows = _database.Rent(_nested))
        {
            while (rows.Step()) yield return new CatalogReference(new ObjectName(NestedHashOf(rows), ObjectKind.Catalog), Math.Max(0, rows.Integer(2)), CompressionAlgorithm.Zlib);
        }
    }

    public List<NestedCatalog> NestedWith(IReadOnlySet<ObjectHash> hashes)
    {
        var found = new List<NestedCatalog>();
        using var rows = _database.Rent(_nested);
        while (rows.Step())
        {
            if (hashes.Contains(NestedHashOf(rows))) found.Add(NestedOf(rows));
        }

        return found;
    }

    public CatalogCounts CountRows()
    {
        var counts = CatalogCounts.Zero;
        using (var rows = _database.Rent("SELECT mode, size, flags, " + (HasXattrs ? "xattr IS NOT NULL" : "0") + " FROM catalog"))
        {
            while (rows.Step())
            {
                var type = ModeBits.TypeOf((uint)rows.Integer(0)) ?? throw _database.Fault($"a row has the mode {rows.Integer(0):x}, which names no file type");
                counts += CatalogCounts.OfRow(type, rows.Integer(1), CatalogEntry.SingleBits(rows.Integer(2)), rows.Integer(3) != 0, 0);
            }
        }

        return counts with { Nested = Count("nested_catalogs"), Chunks = _hasChunks ? Count("chunks") : 0 };
    }

    public CatalogProperties ReadProperties(out int schemaRevision)
    {
        if (!_database.HasTable("properties")) throw _database.Fault("it has no table 'properties'");
        var schema = Property("schema");
        if (schema is null || !double.TryParse(schema, NumberStyles.Float, CultureInfo.InvariantCulture, out var version) || version is < 2.3999 or > 2.5001)
        {
            throw _database.Fault($"its schema is '{Excerpt.Of(schema)}' where 2.5 is expected");
        }

        schemaRevision = (int)(Number("schema_revision", int.MaxValue) ?? 0);
        var prefix = RepositoryPath.Root;
        if (PropertyBytes("root_prefix") is { } bytes && !RepositoryPath.TryCreate(bytes, out prefix)) throw _database.Fault("its root prefix is no path");
        ObjectHash? previous = null;
        if (Property("previous_revision") is { Length: > 0 } text)
        {
            previous = ObjectHash.TryParse(text, out var hash) ? hash : throw _database.Fault($"its previous revision '{Excerpt.Of(text)}' is no hash");
        }

        return new CatalogProperties
        {
            Revision = (ulong)(Number("revision", long.MaxValue) ?? 0),
            LastModified = Number("last_modified", long.MaxValue) ?? 0,
            TtlSeconds = (int?)Number("TTL", int.MaxValue),
            RootPrefix = prefix,
            PreviousRevision = previous is { IsNull: false } ? previous : null,
        };
    }

    public CatalogStatistics ReadStatistics(int schemaRevision)
    {
        const int firstWithAll = 5;
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        if (_database.HasTable("statistics"))
        {
            using var statement = _database.Rent("SELECT counter, value FROM statistics LIMIT 1000");
            while (statement.Step()) values[statement.String(0)] = statement.Integer(1);
        }

        return new CatalogStatistics(CatalogCounters.Read(Value, CatalogCounters.Self), CatalogCounters.Read(Value, CatalogCounters.Subtree));

        long Value(string counter) =>
            values.TryGetValue(counter, out var value) ? value
            : schemaRevision < firstWithAll ? 0
            : throw _database.Fault($"its statistics lack the counter {counter}");
    }

    private long Count(string table)
    {
        // Not count(*), which walks the whole table in one step that cannot be bounded.
        using var statement = _database.Rent("SELECT coalesce(sum(1), 0) FROM " + table);
        statement.Step();
        return statement.Integer(0);
    }

    private byte[]? PropertyBytes(string key)
    {
        using var statement = _database.Rent("SELECT value FROM properties WHERE key=?1");
        statement.Text(1, key);
        return statement.Step() && !statement.IsNull(0) ? statement.Bytes(0).ToArray() : null;
    }

    private string? Property(string key) => PropertyBytes(key) is { } bytes ? Encoding.UTF8.GetString(bytes) : null;

    private long? Number(string key, long max)
    {
        if (Property(key) is not { } text) return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= max
            ? number
            : throw _database.Fault($"its property {key} is '{Excerpt.Of(text)}' where a number is expected");
    }

    private RepositoryPath Child(RepositoryPath directory, ReadOnlySpan<byte> name)
    {
        try
        {
            return directory.Combine(name);
        }
        catch (FormatException e)
        {
            throw _database.Fault($"a row in {directory} has a bad name: {e.Message}");
        }
    }

    private CatalogReference ReferenceOf(SqliteStatement row, ObjectKind kind)
    {
        var flags = row.Integer(2);
        var algorithm = (HashAlgorithmId)((flags >> CatalogEntry.HashShift & CatalogEntry.HashMask) + 1);
        if (!algorithm.IsKnown()) throw _database.Fault($"a row names an object by the hash algorithm {(int)algorithm}, which is unknown");
        var compression = (CompressionAlgorithm)(flags >> CatalogEntry.CompressionShift & CatalogEntry.CompressionMask);
        if (compression is not (CompressionAlgorithm.Zlib or CompressionAlgorithm.None)) throw _database.Fault($"a row has the compression algorithm {(int)compression}, which is unknown");
        if (!row.IsBlob(0) || row.Bytes(0).Length != ObjectHash.Size) throw _database.Fault("a row has a hash that is not a blob of 20 bytes");
        return new CatalogReference(new ObjectName(new ObjectHash(algorithm, row.Bytes(0)), kind), Math.Max(0, row.Integer(1)), compression);
    }

    private ObjectHash NestedHashOf(SqliteStatement row)
    {
        const int textMax = 64;
        var text = row.Bytes(1);
        Span<char> chars = stackalloc char[textMax];
        if (text.Length <= textMax && ObjectHash.TryParse(chars[..Encoding.Latin1.GetChars(text, chars)], out var hash)) return hash;
        throw _database.Fault($"a nested catalog has the hash '{Excerpt.Of(row.String(1))}', which is none");
    }

    private NestedCatalog NestedOf(SqliteStatement row)
    {
        var path = RepositoryPath.TryCreate(row.Bytes(0).ToArray(), out var found) && !found.IsRoot ? found : throw _database.Fault("a nested catalog's path is none");
        var text = row.String(1);
        if (!ObjectHash.TryParse(text, out var hash)) throw _database.Fault($"the nested catalog at {path} has the hash '{Excerpt.Of(text)}', which is none");
        var size = row.Integer(2);
        return size >= 0 ? new NestedCatalog(path, hash, size) : throw _database.Fault($"the nested catalog at {path} has the size {size}");
    }

    private CatalogEntry Entry(SqliteStatement row, RepositoryPath path, PathKey key)
    {
        if (row.Integer(0) != key.High || row.Integer(1) != key.Low) throw Bad("its key is not that of its path");
        if (!row.Bytes(9).SequenceEqual(path.Name.Span)) throw Bad("its name is not the last part of its path");
        var links = row.Integer(2);
        if (links < 0) throw Bad($"its link count is {links}");
        var mode = Unsigned(5, "mode");
        if (ModeBits.TypeOf(mode) is not { } type) throw Bad($"its mode {mode:x} names no file type");
        var stored = row.Integer(8);
        if (stored is < 0 or > int.MaxValue) throw Bad($"its flags are {stored}");
        var flags = CatalogEntry.SingleBits(stored);
        var algorithm = (HashAlgorithmId)((stored >> CatalogEntry.HashShift & CatalogEntry.HashMask) + 1);
        if (!algorithm.IsKnown()) throw Bad($"its hash algorithm {(int)algorithm} is unknown");
        var compression = (CompressionAlgorithm)(stored >> CatalogEntry.CompressionShift & CatalogEntry.CompressionMask);
        if (compression is not (CompressionAlgorithm.Zlib or CompressionAlgorithm.None)) throw Bad($"its compression algorithm {(int)compression} is unknown");
        ObjectHash? hash = null;
        if (!row.IsNull(3))
        {
            if (!row.IsBlob(3) || row.Bytes(3).Length != ObjectHash.Size) throw Bad("its hash is not a blob of 20 bytes");
            hash = new ObjectHash(algorithm, row.Bytes(3));
        }

        int? nanos = row.IsNull(7) ? null : (int)Math.Clamp(row.Integer(7), -1, 1_000_000_000);
        if (nanos is < 0 or > 999_999_999) throw Bad("its nanoseconds are out of range");
        var target = type == EntryType.Symlink ? row.Bytes(10).ToArray() : [];
        var size = type == EntryType.Symlink ? target.Length : row.Integer(4);
        if (size < 0) throw Bad($"its size is {size}");
        // The cast matters: a null array would become an empty, not an absent, value.
        var xattrs = row.IsNull(13) ? (ReadOnlyMemory<byte>?)null : row.Bytes(13).ToArray();
        if (xattrs is { IsEmpty: true }) throw Bad("its extended attributes are an empty blob");
        return new CatalogEntry
        {
            Path = path,
            Mode = mode,
            Size = size,
            ModifiedAt = row.Integer(6),
            ModifiedAtNanos = nanos,
            UserId = Unsigned(11, "owner"),
            GroupId = Unsigned(12, "group"),
            LinkCount = (int)Math.Min(links & uint.MaxValue, int.MaxValue),
            HardlinkGroup = (int)(links >> 32),
            Hash = hash,
            Flags = flags,
            HashAlgorithm = algorithm,
            Compression = type == EntryType.Regular ? compression : CompressionAlgorithm.Zlib,
            SymlinkTarget = target,
            Xattrs = xattrs,
            Chunks = type == EntryType.Regular && flags.HasFlag(CatalogFlags.Chunked) ? ReadChunks() : [],
        };

        uint Unsigned(int column, string what)
        {
            var value = row.Integer(column);
            return value is >= 0 and <= uint.MaxValue ? (uint)value : throw Bad($"its {what} is {value}");
        }

        List<FileChunk> ReadChunks()
        {
            if (!_hasChunks) throw Bad("it is chunked, but there is no table of chunks");
            var chunks = new List<FileChunk>();
            long end = 0;
            using var statement = _database.Rent("SELECT offset, size, hash FROM chunks WHERE md5path_1=?1 AND md5path_2=?2 ORDER BY offset");
            statement.Integer(1, key.High).Integer(2, key.Low);
            while (statement.Step())
            {
                long offset = statement.Integer(0), length = statement.Integer(1);
                if (offset != end || length <= 0 || length > size - end) throw Bad($"its chunk at {offset} of {length} bytes does not continue at {end}");
                if (!statement.IsBlob(2) || statement.Bytes(2).Length != ObjectHash.Size) throw Bad($"its chunk at {offset} has no hash of 20 bytes");
                chunks.Add(new FileChunk(offset, length, new ObjectHash(algorithm, statement.Bytes(2))));
                end += length;
            }

            return end == size && chunks.Count > 0 ? chunks : throw Bad($"its chunks hold {end} of {size} bytes");
        }

        Exception Bad(string what) => _database.Fault($"the row of {path} is bad: {what}");
    }
}
