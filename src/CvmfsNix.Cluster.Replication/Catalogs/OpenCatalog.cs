using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Replication.Catalogs;

/// <summary>An unpacked catalog, and the names of all it refers to once they were read. Reading is thread-safe.</summary>
internal sealed class OpenCatalog(ObjectHash hash, CatalogReader reader) : IDisposable
{
    private readonly Lock _gate = new();
    private HashSet<ObjectName>? _names;

    /// <summary>The catalog.</summary>
    public ObjectHash Hash { get; } = hash;

    /// <summary>Its rows.</summary>
    public CatalogReader Reader { get; } = reader;

    /// <summary>How many names it holds in memory.</summary>
    public int Remembered
    {
        get
        {
            lock (_gate)
                return _names?.Count ?? 0;
        }
    }

    /// <summary>Contents, chunks and nested catalogs that it names. The caller does not change it.</summary>
    /// <exception cref="CatalogFormatException">Bad content.</exception>
    public HashSet<ObjectName> Names()
    {
        lock (_gate)
            return _names ??= [.. Reader.References().Select(r => r.Name)];
    }

    /// <summary>What <see cref="Names"/> would read, by who has just read it.</summary>
    public void Remember(HashSet<ObjectName> names)
    {
        lock (_gate)
            _names = names;
    }

    public void Dispose() => Reader.Dispose();
}
