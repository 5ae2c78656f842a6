using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Objects;

/// <summary>
/// All objects of files and chunks that catalogs need, each once for every way it is needed, in a scratch database: there are more of them than
/// fit in memory. Filled from all threads, read by one.
/// </summary>
internal sealed class NeededObjects : IDisposable
{
    private const int NameBytes = 2 + ObjectHash.Size;
    private readonly Lock _lock = new();
    private readonly Database _database;

    public NeededObjects(string file)
    {
        _database = Database.CreateScratch(file);
        _database.Execute(
            """
            CREATE TABLE needs (name BLOB, compression INTEGER, size INTEGER, path TEXT, catalog TEXT, PRIMARY KEY (name, compression, size)) WITHOUT ROWID;
            BEGIN;
            """);
    }

    /// <summary>One way an object is needed, with the first row that did.</summary>
    public sealed record Need(ObjectName Name, CompressionAlgorithm Compression, long Size, string Path, string Catalog);

    /// <summary>Adds what one catalog needs.</summary>
    public void Add(IReadOnlyList<ObjectReference> references, string catalog)
    {
        lock (_lock)
        {
            using Statement insert = _database.Rent("INSERT OR IGNORE INTO needs VALUES (?1, ?2, ?3, ?4, ?5)");
            Span<byte> name = stackalloc byte[NameBytes];
            foreach (ObjectReference reference in references)
            {
                name[0] = (byte)reference.Name.Kind;
                name[1] = (byte)reference.Name.Hash.Algorithm;
                reference.Name.Hash.CopyTo(name[2..]);
                insert.Blob(1, name).Integer(2, (long)reference.Compression).Integer(3, reference.Size).Text(4, reference.Path.Bytes.Span).Text(5, catalog).Run();
            }
        }
    }

    /// <summary>Different objects.</summary>
    public long Count()
    {
        lock (_lock)
            return _database.Number("SELECT count(DISTINCT name) FROM needs");
    }

    /// <summary>Everything needed, all needs of one object together.</summary>
    public IEnumerable<IReadOnlyList<Need>> ByObject()
    {
        var group = new List<Need>();
        using Statement rows = _database.Rent("SELECT name, compression, size, path, catalog FROM needs ORDER BY name, compression, size");
        while (rows.Step())
        {
            ReadOnlySpan<byte> name = rows.Bytes(0);
            var parsed = new ObjectName(new ObjectHash((HashAlgorithmId)name[1], name[2..]), (ObjectKind)name[0]);
            if (group.Count > 0 && group[0].Name != parsed)
            {
                yield return group;
                group = [];
            }

            group.Add(new Need(parsed, (CompressionAlgorithm)rows.Integer(1), rows.Integer(2), rows.String(3), rows.String(4)));
        }

        if (group.Count > 0)
            yield return group;
    }

    public void Dispose() => _database.Dispose();
}
