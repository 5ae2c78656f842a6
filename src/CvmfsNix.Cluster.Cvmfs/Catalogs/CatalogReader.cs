using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Sqlite;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>
/// A catalog file, read-only: schema 2.5 (or 2.4), revisions up to 7. Thread-safe. Rows are read as they are asked for; nothing of the file is kept in managed memory.
/// Every method throws <see cref="CatalogFormatException"/> on bad content.
/// </summary>
public sealed class CatalogReader : IDisposable
{
    private readonly SqliteDatabase _database;
    private readonly CatalogTable _table;
    private readonly string? _deleteOnClose;

    private CatalogReader(SqliteDatabase database, string? deleteOnClose)
    {
        _database = database;
        _deleteOnClose = deleteOnClose;
        _table = new CatalogTable(database);
        Properties = _table.ReadProperties(out var schemaRevision);
        SchemaRevision = schemaRevision;
        Statistics = _table.ReadStatistics(schemaRevision);
    }

    public CatalogProperties Properties { get; }

    /// <summary>The stored counters.</summary>
    public CatalogStatistics Statistics { get; }

    /// <summary>7 has nanoseconds, 6 and below have none.</summary>
    public int SchemaRevision { get; }

    /// <summary>Opens an inflated catalog that nobody changes meanwhile.</summary>
    /// <param name="file">Path of the SQLite file.</param>
    /// <param name="deleteOnClose">Remove the file on <see cref="Dispose"/>, and when opening fails.</param>
    /// <exception cref="CatalogFormatException">Not a catalog this version reads.</exception>
    public static CatalogReader Open(string file, bool deleteOnClose = false)
    {
        ArgumentNullException.ThrowIfNull(file);
        SqliteDatabase? database = null;
        try
        {
            database = SqliteDatabase.OpenFile(file, readOnly: true, what => new CatalogFormatException($"{file} is no good catalog: {what}."));
            return new CatalogReader(database, deleteOnClose ? file : null);
        }
        catch
        {
            database?.Dispose();
            if (deleteOnClose) File.Delete(file);
            throw;
        }
    }

    /// <summary>Entry of exactly this path, or null. Knows nothing of what nested catalogs hold.</summary>
    public CatalogEntry? Find(RepositoryPath path) => _table.Find(path);

    /// <summary>Entries of a directory, bytewise by name; empty when this catalog holds none. Read as they are asked for, so enumerate before disposing.</summary>
    public IEnumerable<CatalogEntry> List(RepositoryPath directory) => _table.List(directory);

    /// <summary>All entries, a directory before what is in it.</summary>
    public IEnumerable<CatalogEntry> All() => _table.All(Properties.RootPrefix);

    /// <summary>This catalog's own nested catalogs, bytewise by path.</summary>
    public IReadOnlyList<NestedCatalog> Nested() => _table.Nested();

    /// <summary>The nested catalog mounted at exactly this path, or null.</summary>
    public NestedCatalog? FindNested(RepositoryPath exact) => _table.FindNested(exact);

    /// <summary>
    /// Every object that a row names, reachable from the root row or not, in no order and as often as it is named: contents, chunks, then nested
    /// catalogs. Content that is kept outside of the repository is left out. Read as they are asked for.
    /// </summary>
    public IEnumerable<CatalogReference> References() => _table.References();

    /// <summary>The nested catalogs with these hashes, in no order.</summary>
    public IReadOnlyList<NestedCatalog> NestedWith(IReadOnlySet<ObjectHash> hashes)
    {
        ArgumentNullException.ThrowIfNull(hashes);
        return _table.NestedWith(hashes);
    }

    /// <summary>This catalog's own counters counted anew from all rows, dangling ones included.</summary>
    public CatalogCounts CountRows() => _table.CountRows();

    /// <inheritdoc/>
    public void Dispose()
    {
        _database.Dispose();
        if (_deleteOnClose is not null) File.Delete(_deleteOnClose);
    }
}
