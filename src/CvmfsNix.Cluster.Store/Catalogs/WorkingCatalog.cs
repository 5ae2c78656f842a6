using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>
/// One of the catalogs that every revision changes, as an SQLite file that is edited in place: a commit costs what it changes, not what
/// the catalog holds. A cache of the stored object it was made from; without fsync, so it is never used again by another process.
/// </summary>
internal sealed class WorkingCatalog : IDisposable
{
    private readonly string _file;
    private readonly SegmentedCompressor _compressor = new();

    /// <summary>For tests: does to the file what a defect of its writer would.</summary>
    public Action<string>? BeforeStored { get; set; }

    private WorkingCatalog(string file, CatalogWriter writer)
    {
        _file = file;
        Writer = writer;
    }

    /// <summary>Where it lies; whole whenever no group of edits is open.</summary>
    public string File => _file;

    /// <summary>The open file.</summary>
    public CatalogWriter Writer { get; }

    /// <summary>Unpacks a stored catalog; null when the store does not have it.</summary>
    /// <exception cref="ObjectCorruptException">The stored bytes are not those of the name.</exception>
    public static async Task<WorkingCatalog?> OpenAsync(IObjectStore objects, ObjectHash hash, string file, CancellationToken cancellationToken)
    {
        var name = new ObjectName(hash, ObjectKind.Catalog);
        await using (Stream? stored = objects.OpenRead(name))
        {
            if (stored is null)
                return null;
            await CheckAsync(stored, name, cancellationToken).ConfigureAwait(false);
            stored.Position = 0;
            await using Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib);
            await using var copy = new FileStream(file, FileMode.Create, FileAccess.Write);
            await plain.CopyToAsync(copy, cancellationToken).ConfigureAwait(false);
        }

        return new WorkingCatalog(file, CatalogWriter.OpenCopy(file));
    }

    /// <summary>Adds the catalog as it stands to a batch.</summary>
    public async Task<(DeltaObject Object, long Size)> StoreAsync(ObjectBatch batch, CancellationToken cancellationToken)
    {
        BeforeStored?.Invoke(_file);
        using FinishedCatalog finished = Writer.Finish();
        ObjectName name = await batch
            .AddAsync(ObjectKind.Catalog, (stored, token) => _compressor.StoreAsync(finished.Length, finished.Read, stored, token), cancellationToken).ConfigureAwait(false);
        return (new DeltaObject(name, _compressor.StoredSize), _compressor.PlainSize);
    }

    /// <summary>Compresses the catalog as it stands: what storing it next does not have to.</summary>
    public void Warm()
    {
        using FinishedCatalog finished = Writer.Finish();
        _compressor.Take(finished.Length, finished.Read);
    }

    public void Dispose()
    {
        Writer.Dispose();
        System.IO.File.Delete(_file);
    }

    // What is edited further must be what clients were given: a damaged object must not become the base of a revision.
    private static async Task CheckAsync(Stream stored, ObjectName name, CancellationToken cancellationToken)
    {
        using var hasher = new ObjectHasher(name.Hash.Algorithm);
        var buffer = new byte[128 * 1024];
        for (int read; (read = await stored.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
            hasher.Append(buffer.AsSpan(0, read));
        if (hasher.Finish() != name.Hash)
            throw new ObjectCorruptException(name, "its bytes have another digest than its name says; the file on disk is damaged");
    }
}
