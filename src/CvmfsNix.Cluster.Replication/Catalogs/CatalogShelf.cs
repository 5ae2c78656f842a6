using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Fetching;

namespace CvmfsNix.Cluster.Replication.Catalogs;

/// <summary>
/// Catalogs that are kept open from one filling to the next: those that every revision changes are compared with their next version, which then takes
/// their place. A cache: what is not on it is unpacked again. Thread-safe.
/// </summary>
internal sealed class CatalogShelf(ReplicaTarget target, ReplicationLimits limits) : IDisposable
{
    private const int KeptMax = 12;
    private const int NamesMax = 3_000_000;

    private readonly Lock _gate = new();

    // The last used one comes last.
    private readonly List<OpenCatalog> _kept = [];

    /// <summary>Opens a catalog that is here; null when it is not. It stays the shelf's.</summary>
    /// <exception cref="ReplicationException">It is no good catalog.</exception>
    public async Task<OpenCatalog?> OpenAsync(ObjectHash hash, long size, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            int at = _kept.FindIndex(c => c.Hash == hash);
            if (at >= 0)
            {
                OpenCatalog known = _kept[at];
                _kept.RemoveAt(at);
                _kept.Add(known);
                return known;
            }
        }

        OpenCatalog? opened = await UnpackAsync(hash, size, cancellationToken).ConfigureAwait(false);
        if (opened is not null)
        {
            lock (_gate)
                _kept.Add(opened);
        }

        return opened;
    }

    /// <summary>Opens a catalog that is here, for the caller alone, who disposes it; null when it is not here.</summary>
    /// <exception cref="ReplicationException">It is no good catalog.</exception>
    public async Task<OpenCatalog?> UnpackAsync(ObjectHash hash, long size, CancellationToken cancellationToken)
    {
        var name = new ObjectName(hash, ObjectKind.Catalog);
        if (await StoredDatabase.UnpackAsync(target, name, size, limits.DatabaseBytesMax, cancellationToken).ConfigureAwait(false) is not { } file)
            return null;
        return Guarded(hash, () => new OpenCatalog(hash, CatalogReader.Open(file, deleteOnClose: true)));
    }

    /// <summary>Takes an opened catalog over.</summary>
    public void Keep(OpenCatalog catalog)
    {
        lock (_gate)
            _kept.Add(catalog);
    }

    /// <summary>Closes what has not been used for longest. Nobody uses any of it meanwhile.</summary>
    public void Trim()
    {
        lock (_gate)
        {
            while (_kept.Count > KeptMax || (_kept.Count > 0 && _kept.Sum(c => (long)c.Remembered) > NamesMax))
            {
                _kept[0].Dispose();
                _kept.RemoveAt(0);
            }
        }
    }

    /// <summary>Closes everything.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (OpenCatalog catalog in _kept)
                catalog.Dispose();
            _kept.Clear();
        }
    }

    /// <summary>Reads a catalog; bad content is a defect of the repository.</summary>
    public T Guarded<T>(ObjectHash hash, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (CatalogFormatException e)
        {
            throw new ReplicationException(ReplicationFailure.Corrupt, $"The catalog {hash} of {target.Repository} is signed and no good: {e.Message} The repository itself is damaged, whoever serves it.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Intake.DiskProblem(e, target);
        }
    }
}
