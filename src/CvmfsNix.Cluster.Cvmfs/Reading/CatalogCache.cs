using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>
/// Unpacked catalogs as files in a private folder. A catalog in use stays open; of those nobody uses, the longest unused are closed beyond the limit.
/// Whoever asks for a catalog that is on its way waits for the same download.
/// </summary>
internal sealed class CatalogCache(ObjectFetcher fetcher, string directory, int idleMax, long sizeMax) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(ObjectHash Hash, RepositoryPath Path), Slot> _slots = [];
    private readonly LinkedList<Slot> _idle = new();
    private int _files;
    private bool _disposed;

    /// <summary>Catalogs open now.</summary>
    public int OpenCount
    {
        get
        {
            lock (_lock) return _slots.Count;
        }
    }

    /// <summary>The catalog of this directory; dispose the lease when done.</summary>
    public async Task<Lease> AcquireAsync(RepositoryPath path, ObjectHash hash, long size, CancellationToken cancellationToken)
    {
        while (true)
        {
            Slot slot;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (_slots.TryGetValue((hash, path), out var known))
                {
                    slot = known;
                    if (slot.Idle is { } node) _idle.Remove(node);
                    slot.Idle = null;
                }
                else
                {
                    slot = new Slot((hash, path));
                    _slots.Add(slot.Key, slot);
                    slot.Loading = LoadAsync(slot, size, cancellationToken);
                }

                slot.Users++;
            }

            try
            {
                var reader = await slot.Loading!.WaitAsync(cancellationToken).ConfigureAwait(false);
                return new Lease(this, slot, reader);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Another caller began the download and gave up; begin it anew.
                Drop(slot);
            }
            catch
            {
                Drop(slot);
                throw;
            }
        }
    }

    public void Dispose()
    {
        List<Slot> open;
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            open = [.. _slots.Values];
            _slots.Clear();
            _idle.Clear();
        }

        foreach (var slot in open) slot.Close();
    }

    private async Task<CatalogReader> LoadAsync(Slot slot, long size, CancellationToken cancellationToken)
    {
        // Leaves the caller's lock before any work is done.
        await Task.Yield();
        var name = new ObjectName(slot.Key.Hash, ObjectKind.Catalog);
        var file = Path.Combine(directory, $"{Interlocked.Increment(ref _files)}.catalog");
        await fetcher.UnpackAsync(name, size > 0 ? size : null, sizeMax, file, cancellationToken).ConfigureAwait(false);
        var reader = CatalogReader.Open(file, deleteOnClose: true);
        try
        {
            Check(reader, slot.Key.Path, name);
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    private static void Check(CatalogReader reader, RepositoryPath path, ObjectName name)
    {
        if (reader.Properties.RootPrefix != path) throw new CatalogFormatException($"Catalog {name} is mounted at {path} but made for {reader.Properties.RootPrefix}.");
        if (reader.Find(path) is not { Type: EntryType.Directory } root) throw new CatalogFormatException($"Catalog {name} has no directory {path} as its root.");
        if (root.Flags.HasFlag(CatalogFlags.NestedRoot) == path.IsRoot) throw new CatalogFormatException($"The root row of catalog {name} at {path} has the wrong nested-root flag.");
    }

    private void Release(Slot slot)
    {
        List<Slot> closing = [];
        lock (_lock)
        {
            slot.Users--;
            if (slot.Users > 0) return;
            if (_disposed) closing.Add(slot);
            else
            {
                slot.Idle = _idle.AddLast(slot);
                while (_idle.Count > idleMax)
                {
                    var oldest = _idle.First!.Value;
                    _idle.RemoveFirst();
                    _slots.Remove(oldest.Key);
                    closing.Add(oldest);
                }
            }
        }

        foreach (var old in closing) old.Close();
    }

    private void Drop(Slot slot)
    {
        lock (_lock)
        {
            slot.Users--;
            // A waiter that only lost patience leaves a download that others still wait for.
            if (!slot.Loading!.IsCompleted && slot.Users > 0) return;
            if (_slots.TryGetValue(slot.Key, out var current) && ReferenceEquals(current, slot) && slot.Users == 0) _slots.Remove(slot.Key);
            else if (slot.Loading.IsCompleted && !slot.Loading.IsCompletedSuccessfully) _slots.Remove(slot.Key);
            else return;
        }

        slot.Close();
    }

    /// <summary>Use of a catalog.</summary>
    public sealed class Lease(CatalogCache cache, Slot slot, CatalogReader catalog) : IDisposable
    {
        private int _released;

        public CatalogReader Catalog { get; } = catalog;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _released, 1) == 0) cache.Release(slot);
        }
    }

    /// <summary>A catalog, open or on its way.</summary>
    public sealed class Slot((ObjectHash Hash, RepositoryPath Path) key)
    {
        public (ObjectHash Hash, RepositoryPath Path) Key { get; } = key;

        public Task<CatalogReader>? Loading { get; set; }

        public int Users { get; set; }

        public LinkedListNode<Slot>? Idle { get; set; }

        /// <summary>Closes the catalog once it is there.</summary>
        public void Close() => _ = Loading!.ContinueWith(
            done =>
            {
                if (done.IsCompletedSuccessfully) done.Result.Dispose();
                else _ = done.Exception;
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }
}
