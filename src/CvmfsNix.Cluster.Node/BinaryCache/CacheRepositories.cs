using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Node.Replication;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>The repositories of this node as binary caches. Thread-safe.</summary>
/// <param name="stores">Their stores.</param>
/// <param name="bring">Tries to bring an object here that is not; null = there is nowhere to bring it from.</param>
internal sealed class CacheRepositories(IReplicaStores stores, Func<string, ObjectName, CancellationToken, Task<bool>>? bring = null) : IDisposable
{
    private readonly ConcurrentDictionary<string, CacheRepository> _open = new(StringComparer.Ordinal);

    /// <summary>The cache of a repository; null while its store is not open here.</summary>
    public CacheRepository? Find(string repository)
    {
        if (stores.Find(repository) is not { } store)
            return null;
        // A store that was closed and opened again is another one.
        return _open.TryGetValue(repository, out CacheRepository? known) && ReferenceEquals(known.Store, store)
            ? known
            : _open.AddOrUpdate(repository, _ => Open(), (_, other) => ReferenceEquals(other.Store, store) ? other : Open());

        CacheRepository Open() => new(store, bring is null ? null : (name, ct) => bring(repository, name, ct));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CacheRepository repository in _open.Values)
            repository.Dispose();
    }
}
