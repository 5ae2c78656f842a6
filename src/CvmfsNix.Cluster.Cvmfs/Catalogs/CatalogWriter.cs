using System.Globalization;
using CvmfsNix.Cluster.Cvmfs.Sqlite;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>
/// Makes or changes one catalog (schema 2.5, revision 6; an opened copy keeps its own revision). The catalog's own counters are kept by arithmetic with every edit,
/// those of the subtree are the caller's. The caller also keeps what spans several rows: link counts of directories, both rows of a transition point, members of a hard link group,
/// the marker file, no rows below a removed directory.
/// Not thread-safe. Edits cost in proportion to themselves, not to the catalog.
/// </summary>
/// <remarks>The same inserts in the same order give the same bytes, however they were grouped.</remarks>
public sealed class CatalogWriter : IDisposable
{
    private readonly SqliteDatabase _database;
    private readonly CatalogTable _table;
    private readonly string? _file;
    private readonly string _insert;
    private readonly string _update;
    private CatalogProperties _properties;
    private CatalogStatistics _statistics;
    private (CatalogProperties Properties, CatalogStatistics Statistics)? _before;
    private bool _unsaved;
    private bool _disposed;

    private CatalogWriter(SqliteDatabase database, string? file, CatalogProperties? properties)
    {
        _database = database;
        _file = file;
        _table = new CatalogTable(database);
        if (properties is null)
        {
            _properties = _table.ReadProperties(out var revision);
            _statistics = _table.ReadStatistics(Math.Max(revision, CatalogSchema.Revision));
            if (!_table.HasXattrs || !database.HasTable("chunks")) throw database.Fault($"its schema revision {revision} is too old to be changed");
        }
        else
        {
            _properties = properties;
            _statistics = new CatalogStatistics(CatalogCounts.Zero, CatalogCounts.Zero);
        }

        var nanos = _table.HasNanos;
        _insert = "INSERT INTO catalog (md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, flags, name, symlink, uid, gid, xattr"
            + (nanos ? ", mtimens" : "") + ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15" + (nanos ? ",?16" : "") + ")";
        _update = "UPDATE catalog SET parent_1=?3, parent_2=?4, hardlinks=?5, hash=?6, size=?7, mode=?8, mtime=?9, flags=?10, name=?11, symlink=?12, uid=?13, gid=?14, xattr=?15"
            + (nanos ? ", mtimens=?16" : "") + " WHERE md5path_1=?1 AND md5path_2=?2";
    }

    /// <summary>Properties as last set.</summary>
    public CatalogProperties Properties => _properties;

    /// <summary>Counters as of now.</summary>
    public CatalogStatistics Statistics => _statistics;

    /// <summary>Starts an empty catalog in memory. The first insert should be its root row.</summary>
    /// <param name="properties">May be set anew later.</param>
    /// <param name="pageSize">Bytes, a power of two from 512 to 65536. Small pages make small catalogs: a nested catalog costs clients 18 kB at 1024 and 57 kB at 4096.</param>
    public static CatalogWriter Create(CatalogProperties properties, int pageSize = 1024)
    {
        ArgumentNullException.ThrowIfNull(properties);
        if (pageSize is < 512 or > 65536 || !int.IsPow2(pageSize)) throw new ArgumentOutOfRangeException(nameof(pageSize), pageSize, "A page has 512 to 65536 bytes, a power of two.");
        CheckProperties(properties);
        var database = SqliteDatabase.CreateInMemory(what => new CatalogFormatException($"The catalog of {properties.RootPrefix} cannot be written: {what}."));
        try
        {
            // Freed bytes are zeroed, so that nothing of an earlier edit is left in the file.
            database.Execute($"PRAGMA page_size={pageSize}; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; BEGIN; {CatalogSchema.Tables}");
            using (var statement = database.Prepare("INSERT INTO statistics VALUES (?1, 0)"))
            {
                foreach (var (counter, _) in CatalogCounters.Rows(new CatalogStatistics(CatalogCounts.Zero, CatalogCounts.Zero))) statement.Text(1, counter).Run();
            }

            database.Execute("COMMIT");
            return new CatalogWriter(database, null, properties);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens a private working copy of a catalog file and edits it in place; the file's content is not read into memory. Without a journal on disk and without fsync:
    /// a process that dies leaves a torn file, to be thrown away.
    /// </summary>
    /// <exception cref="CatalogFormatException">Not a catalog that can be changed.</exception>
    public static CatalogWriter OpenCopy(string existingFile)
    {
        ArgumentNullException.ThrowIfNull(existingFile);
        var database = SqliteDatabase.OpenFile(existingFile, readOnly: false, what => new CatalogFormatException($"{existingFile} is no good catalog: {what}."));
        try
        {
            database.Execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY;");
            using (var mode = database.Prepare("PRAGMA journal_mode=MEMORY")) mode.Step();
            return new CatalogWriter(database, Path.GetFullPath(existingFile), null);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>Adds a row with its chunks.</summary>
    /// <exception cref="ArgumentException">The entry breaks a rule of the format, or its path is taken.</exception>
    public void Insert(CatalogEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        CatalogEntryRules.Check(entry, _properties.RootPrefix);
        if (_table.Contains(entry.Path)) throw new ArgumentException($"{entry.Path} is already in the catalog.", nameof(entry));
        Write(_insert, entry);
        Count(CatalogCounts.Of(entry));
    }

    /// <summary>Adds a row, or puts it in the place of the one with the same path, which keeps its rowid.</summary>
    /// <exception cref="ArgumentException">The entry breaks a rule of the format.</exception>
    public void Replace(CatalogEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        CatalogEntryRules.Check(entry, _properties.RootPrefix);
        var old = _table.Find(entry.Path);
        if (old is { Chunks.Count: > 0 }) RemoveChunks(entry.Path.Key);
        Write(old is null ? _insert : _update, entry);
        Count(CatalogCounts.Of(entry) - (old is null ? CatalogCounts.Zero : CatalogCounts.Of(old)));
    }

    /// <summary>Removes a row with its chunks; false when it is not there.</summary>
    public bool Remove(RepositoryPath path)
    {
        if (_table.Find(path) is not { } old) return false;
        var key = path.Key;
        if (old.Chunks.Count > 0) RemoveChunks(key);
        using (var statement = _database.Rent("DELETE FROM catalog WHERE md5path_1=?1 AND md5path_2=?2")) statement.Integer(1, key.High).Integer(2, key.Low).Run();
        Count(CatalogCounts.Zero - CatalogCounts.Of(old));
        return true;
    }

    /// <summary>Entry of exactly this path, or null.</summary>
    public CatalogEntry? Find(RepositoryPath path) => _table.Find(path);

    /// <summary>True when there is a row of this path.</summary>
    public bool Contains(RepositoryPath path) => _table.Contains(path);

    /// <summary>Entries of a directory, bytewise by name; do not edit while enumerating.</summary>
    public IEnumerable<CatalogEntry> List(RepositoryPath directory) => _table.List(directory);

    /// <summary>Registers a nested catalog, or puts it in the place of the one with the same path.</summary>
    public void SetNested(NestedCatalog nested)
    {
        ArgumentNullException.ThrowIfNull(nested);
        if (nested.Path == _properties.RootPrefix || !nested.Path.IsAtOrBelow(_properties.RootPrefix)) throw new ArgumentException($"{nested.Path} does not lie below {_properties.RootPrefix}.", nameof(nested));
        if (nested.Hash.IsNull || nested.Size < 0) throw new ArgumentException($"The nested catalog at {nested.Path} has no hash or a negative size.", nameof(nested));
        var known = _table.FindNested(nested.Path) is not null;
        var sql = known ? "UPDATE nested_catalogs SET sha1=?2, size=?3 WHERE path=?1" : "INSERT INTO nested_catalogs (path, sha1, size) VALUES (?1,?2,?3)";
        using (var statement = _database.Rent(sql)) statement.Text(1, nested.Path.Bytes.Span).Text(2, nested.Hash.ToString()).Integer(3, nested.Size).Run();
        Count(known ? CatalogCounts.Zero : OneNested);
    }

    /// <summary>Forgets a nested catalog; false when it was not registered.</summary>
    public bool RemoveNested(RepositoryPath path)
    {
        if (_table.FindNested(path) is null) return false;
        using (var statement = _database.Rent("DELETE FROM nested_catalogs WHERE path=?1")) statement.Text(1, path.Bytes.Span).Run();
        Count(CatalogCounts.Zero - OneNested);
        return true;
    }

    /// <summary>The nested catalog at exactly this path, or null.</summary>
    public NestedCatalog? FindNested(RepositoryPath path) => _table.FindNested(path);

    /// <summary>All registered nested catalogs, bytewise by path.</summary>
    public IReadOnlyList<NestedCatalog> Nested() => _table.Nested();

    /// <summary>Sets the properties; the root prefix cannot change.</summary>
    public void SetProperties(CatalogProperties properties)
    {
        ArgumentNullException.ThrowIfNull(properties);
        CheckProperties(properties);
        if (properties.RootPrefix != _properties.RootPrefix) throw new ArgumentException($"The catalog of {_properties.RootPrefix} cannot become that of {properties.RootPrefix}.", nameof(properties));
        _properties = properties;
        _unsaved = true;
    }

    /// <summary>Sets the counters of everything below.</summary>
    public void SetSubtree(CatalogCounts counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        _statistics = _statistics with { Subtree = counts };
        _unsaved = true;
    }

    /// <summary>Begins a group of edits that can be taken back. Groups do not nest.</summary>
    public void Begin()
    {
        if (_before is not null) throw new InvalidOperationException("A group of edits is already open.");
        _database.Execute("BEGIN");
        _before = (_properties, _statistics);
    }

    /// <summary>Keeps the edits since <see cref="Begin"/>.</summary>
    public void Commit()
    {
        if (_before is null) throw new InvalidOperationException("No group of edits is open.");
        // A file must be whole after every group; in memory the rows are written when the bytes are taken, so that grouping leaves no trace.
        if (_file is not null) Save();
        _database.Execute("COMMIT");
        _before = null;
    }

    /// <summary>Takes back the edits since <see cref="Begin"/>, counters and properties included.</summary>
    public void Rollback()
    {
        if (_before is not { } before) throw new InvalidOperationException("No group of edits is open.");
        _database.Execute("ROLLBACK");
        (_properties, _statistics) = before;
        _before = null;
    }

    /// <summary>
    /// Rebuilds an opened copy when more than a fifth of its pages are free or a quarter of its rowids unused, as stock writers do; rowids are dense afterwards. Costs in proportion to the catalog.
    /// </summary>
    /// <returns>True when it was rebuilt.</returns>
    public bool CompactIfSparse()
    {
        if (_before is not null) throw new InvalidOperationException("A group of edits is open.");
        var pages = Pragma("page_count");
        var rowidMax = Scalar("SELECT coalesce(max(rowid), 0) FROM catalog");
        if (Pragma("freelist_count") * 5 <= pages && (rowidMax - _statistics.Self.Entries) * 4 <= rowidMax) return false;
        MakeRowidsDense();
        _database.Execute("VACUUM");
        return true;
    }

    /// <summary>The finished SQLite file: rollback-journal format, header without traces of history.</summary>
    public byte[] ToBytes()
    {
        if (_before is not null) throw new InvalidOperationException("A group of edits is open.");
        if (_file is not null)
        {
            using var whole = new MemoryStream();
            WriteTo(whole);
            return whole.ToArray();
        }

        // Properties and counters go in only for the moment of copying: how often bytes were taken must not show in them.
        _database.Execute("BEGIN");
        try
        {
            WriteProperties();
            WriteStatistics();
            return _database.Serialize();
        }
        finally
        {
            _database.Execute("ROLLBACK");
        }
    }

    /// <summary>Writes what <see cref="ToBytes"/> gives, without holding all of an opened copy in memory.</summary>
    public void WriteTo(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (_file is null)
        {
            destination.Write(ToBytes());
            return;
        }

        using var finished = Finish();
        var block = new byte[64 * 1024];
        for (long offset = 0; offset < finished.Length; offset += block.Length)
        {
            var part = block.AsSpan(0, (int)Math.Min(block.Length, finished.Length - offset));
            finished.Read(offset, part);
            destination.Write(part);
        }
    }

    /// <summary>What <see cref="WriteTo"/> writes of an opened copy, to be read in any order and by several threads. No edits until it is disposed.</summary>
    public FinishedCatalog Finish()
    {
        if (_file is null) throw new InvalidOperationException("The catalog is in memory.");
        if (_before is not null) throw new InvalidOperationException("A group of edits is open.");
        SaveAlone();
        return new FinishedCatalog(_file);
    }

    /// <summary>Closes; an opened copy then holds all edits of closed groups.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (_before is not null) Rollback();
            if (_file is not null) SaveAlone();
        }
        finally
        {
            _database.Dispose();
        }
    }

    private static CatalogCounts OneNested { get; } = new() { Nested = 1 };

    private static void CheckProperties(CatalogProperties properties)
    {
        if (properties.Revision > long.MaxValue || properties.LastModified is < 0 or > int.MaxValue || properties.TtlSeconds < 0)
        {
            throw new ArgumentException($"Revision {properties.Revision}, last modification {properties.LastModified} (32 bits) or TTL {properties.TtlSeconds} cannot be written.", nameof(properties));
        }
    }

    private void Count(CatalogCounts delta)
    {
        _statistics = _statistics with { Self = _statistics.Self + delta };
        _unsaved = true;
    }

    private void Write(string sql, CatalogEntry entry)
    {
        var key = entry.Path.Key;
        var parent = entry.Path.ParentKey;
        using (var statement = _database.Rent(sql))
        {
            statement.Integer(1, key.High).Integer(2, key.Low).Integer(3, parent.High).Integer(4, parent.Low);
            statement.Integer(5, (long)entry.HardlinkGroup << 32 | (uint)entry.LinkCount);
            if (entry.Hash is { } hash) statement.Blob(6, hash.ToArray());
            else statement.Null(6);
            statement.Integer(7, entry.Type == EntryType.Symlink ? entry.SymlinkTarget.Length : entry.Size);
            statement.Integer(8, entry.Mode).Integer(9, entry.ModifiedAt).Integer(10, entry.StoredFlags);
            statement.Text(11, entry.Path.Name.Span).Text(12, entry.SymlinkTarget.Span);
            statement.Integer(13, entry.UserId).Integer(14, entry.GroupId);
            if (entry.Xattrs is { } xattrs) statement.Blob(15, xattrs.Span);
            else statement.Null(15);
            if (_table.HasNanos)
            {
                if (entry.ModifiedAtNanos is { } nanos) statement.Integer(16, nanos);
                else statement.Null(16);
            }

            statement.Run();
        }

        if (entry.Chunks.Count == 0) return;
        using var chunks = _database.Rent("INSERT INTO chunks (md5path_1, md5path_2, offset, size, hash) VALUES (?1,?2,?3,?4,?5)");
        foreach (var chunk in entry.Chunks) chunks.Integer(1, key.High).Integer(2, key.Low).Integer(3, chunk.Offset).Integer(4, chunk.Size).Blob(5, chunk.Hash.ToArray()).Run();
    }

    private void RemoveChunks(PathKey key)
    {
        using var statement = _database.Rent("DELETE FROM chunks WHERE md5path_1=?1 AND md5path_2=?2");
        statement.Integer(1, key.High).Integer(2, key.Low).Run();
    }

    // SQLite keeps rowids when it rebuilds a file. Going up, a row's new number is never above its old one, so it is always free.
    private void MakeRowidsDense()
    {
        var rowids = new List<long>();
        using (var all = _database.Prepare("SELECT rowid FROM catalog ORDER BY rowid"))
        {
            while (all.Step()) rowids.Add(all.Integer(0));
        }

        _database.Execute("BEGIN");
        using (var move = _database.Prepare("UPDATE catalog SET rowid=?2 WHERE rowid=?1"))
        {
            for (var i = 0; i < rowids.Count; i++)
            {
                if (rowids[i] != i + 1) move.Integer(1, rowids[i]).Integer(2, i + 1).Run();
            }
        }

        _database.Execute("COMMIT");
    }

    private void SaveAlone()
    {
        if (!_unsaved) return;
        _database.Execute("BEGIN");
        Save();
        _database.Execute("COMMIT");
    }

    private void Save()
    {
        WriteProperties();
        WriteStatistics();
        _unsaved = false;
    }

    private void WriteStatistics()
    {
        using var statement = _database.Rent("UPDATE statistics SET value=?2 WHERE counter=?1");
        foreach (var (counter, value) in CatalogCounters.Rows(_statistics)) statement.Text(1, counter).Integer(2, value).Run();
    }

    private void WriteProperties()
    {
        if (_file is null)
        {
            Property("schema", CatalogSchema.Schema);
            Property("schema_revision", CatalogSchema.Revision.ToString(CultureInfo.InvariantCulture));
        }

        Property("revision", _properties.Revision.ToString(CultureInfo.InvariantCulture));
        Property("last_modified", _properties.LastModified.ToString(CultureInfo.InvariantCulture));
        Property("TTL", _properties.TtlSeconds?.ToString(CultureInfo.InvariantCulture));
        if (!_properties.RootPrefix.IsRoot && _file is null)
        {
            using var statement = _database.Rent("INSERT INTO properties (key, value) VALUES ('root_prefix', ?1)");
            statement.Text(1, _properties.RootPrefix.Bytes.Span).Run();
        }

        Property("previous_revision", _properties.PreviousRevision?.ToString());
    }

    private void Property(string key, string? value)
    {
        if (value is null)
        {
            using var delete = _database.Rent("DELETE FROM properties WHERE key=?1");
            delete.Text(1, key).Run();
            return;
        }

        using (var update = _database.Rent("UPDATE properties SET value=?2 WHERE key=?1")) update.Text(1, key).Text(2, value).Run();
        if (_database.Changes() > 0) return;
        using var insert = _database.Rent("INSERT INTO properties (key, value) VALUES (?1, ?2)");
        insert.Text(1, key).Text(2, value).Run();
    }

    private long Pragma(string name) => Scalar("PRAGMA " + name);

    private long Scalar(string sql)
    {
        using var statement = _database.Prepare(sql);
        statement.Step();
        return statement.Integer(0);
    }
}
