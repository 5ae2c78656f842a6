using System.Collections.Concurrent;
using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>The transactions that were opened through this node and not decided yet; only counted. Thread-safe.</summary>
internal sealed class OpenHere(TimeProvider clock)
{
    private readonly ConcurrentDictionary<(string Repository, TransactionId Id), DateTimeOffset> _open = new();

    public void Add(string repository, TransactionId id) => _open[(repository, id)] = clock.GetUtcNow();

    public void Remove(string repository, TransactionId id) => _open.TryRemove((repository, id), out _);

    public int Count(string repository) => _open.Keys.Count(o => o.Repository == repository);

    /// <summary>Forgets those nobody has heard of for so long.</summary>
    public void Sweep(TimeSpan expiry)
    {
        foreach (var stale in _open.Where(o => o.Value + expiry < clock.GetUtcNow()).ToList())
            _open.TryRemove(stale);
    }
}
