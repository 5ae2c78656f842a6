using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>
/// Marks what can be reached from root catalogs. A catalog that is missing, or whose bytes are not those of its name, might have named anything: that ends it.
/// </summary>
internal sealed class CatalogMarker(IObjectStore objects, MarkFiles marks, CollectionPace pace, string scratchFolder)
{
    private readonly HashSet<ObjectHash> _read = [];
    private readonly byte[] _buffer = new byte[128 * 1024];

    /// <summary>Catalogs read.</summary>
    public long Catalogs => _read.Count;

    /// <summary>
    /// Marks a root catalog and everything below it. The objects that catalogs name must be here; of the catalogs themselves this is known once they are read, and later
    /// they may be superseded and deleted.
    /// </summary>
    /// <exception cref="DamagedViewException">A catalog is missing or damaged.</exception>
    public async Task MarkAsync(ObjectHash root, CancellationToken cancellationToken)
    {
        var open = new Stack<ObjectHash>([root]);
        while (open.TryPop(out ObjectHash hash))
        {
            if (_read.Contains(hash))
                continue;
            var name = new ObjectName(hash, ObjectKind.Catalog);
            string file = TryUnpack(name) ?? throw Damaged(name, "it is not there");
            await MarkReferencesAsync(name, file, required: true, open, cancellationToken).ConfigureAwait(false);
            // Last: one that could not be read whole is not passed over when it is met again.
            _read.Add(hash);
        }
    }

    /// <summary>Marks what is here of all below a root catalog; what is not is not missed.</summary>
    /// <exception cref="DamagedViewException">A catalog is damaged.</exception>
    public async Task MarkWhatIsThereAsync(ObjectHash root, CancellationToken cancellationToken)
    {
        var open = new Stack<ObjectHash>([root]);
        var seen = new HashSet<ObjectHash>();
        while (open.TryPop(out ObjectHash hash))
        {
            var name = new ObjectName(hash, ObjectKind.Catalog);
            if (!_read.Contains(hash) && seen.Add(hash) && TryUnpack(name) is { } file)
                await MarkReferencesAsync(name, file, required: false, open, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task MarkReferencesAsync(ObjectName name, string file, bool required, Stack<ObjectHash> open, CancellationToken cancellationToken)
    {
        marks.Mark(name, required: false);
        try
        {
            using CatalogReader reader = CatalogReader.Open(file);
            foreach (CatalogReference reference in reader.References())
            {
                if (reference.Name.Kind == ObjectKind.Catalog)
                    open.Push(reference.Name.Hash);
                else
                    marks.Mark(reference.Name, required);
                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (CatalogFormatException e)
        {
            throw Damaged(name, e.Message);
        }
        finally
        {
            File.Delete(file);
        }

        await pace.StepAsync(cancellationToken).ConfigureAwait(false);
    }

    // Null when it is not there.
    private string? TryUnpack(ObjectName name)
    {
        using Stream? stored = objects.OpenRead(name);
        if (stored is null)
            return null;
        using var hasher = new ObjectHasher(name.Hash.Algorithm);
        for (int read; (read = stored.Read(_buffer)) > 0;)
            hasher.Append(_buffer.AsSpan(0, read));
        if (hasher.Finish() != name.Hash)
            throw Damaged(name, "its bytes have another digest");
        stored.Position = 0;
        string file = Path.Combine(scratchFolder, $"mark-{Guid.NewGuid():N}.sqlite");
        using (Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib))
        using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
            plain.CopyTo(copy);
        return file;
    }

    private static DamagedViewException Damaged(ObjectName name, string problem) =>
        new($"The catalog {name} is needed and {problem}. Nothing is collected until it is back: bring it from another store, or let the store be scrubbed.");
}
