using System.Collections.Concurrent;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>This node's stores as its peers see them. Thread-safe.</summary>
public sealed class PeerStores
{
    /// <summary>Objects brought for readers at the same time; who comes beyond it is told the object is not here.</summary>
    private const int BroughtAtOnce = 8;

    /// <summary>For so long nobody asks the peers again for what none of them had: names in requests are anybody's.</summary>
    private static readonly TimeSpan AbsentFor = TimeSpan.FromSeconds(5);

    private const int AbsentMax = 10_000;

    private readonly ConcurrentDictionary<(string Repository, ObjectName Name), Lazy<Task<bool>>> _bringing = new();
    private readonly ConcurrentDictionary<(string Repository, ObjectName Name), long> _absent = new();
    private readonly StoreCopies _copies;
    private readonly TimeProvider _clock;
    private readonly LocalRepositories _local;
    private readonly StoreSet _set;
    private readonly CoreOptions _options;
    private readonly CoreSystem _core;

    internal PeerStores(LocalRepositories local, StoreCopies copies, CoreOptions options, CoreSystem core, TimeProvider clock) =>
        (_local, _copies, _set, _options, _core, _clock) = (local, copies, copies.Set, options, core, clock);

    /// <summary>Id of this node's store.</summary>
    public string StoreId => _set.OwnId;

    /// <summary>The repository's store; null when it is not open here, perhaps only because this node has not heard of it yet.</summary>
    public RepositoryStore? Find(string repository)
    {
        if ((_local.Find(repository)?.Backend as StoreBackend)?.Store is { } store)
            return store;
        if (_core.Joined is { } life && life.Registry.TryGet<StoreKeepers>(out var keepers))
            keepers.Tell(new StoreKeepers.Look());
        return null;
    }

    /// <summary>
    /// Brings an object here that a reader asks for and this store lacks: a revision may be known to the reader from another node, and this one a
    /// moment behind. Bounded, and never more than a try.
    /// </summary>
    /// <returns>True when it is here now.</returns>
    public async Task<bool> TryBringAsync(string repository, ObjectName name, CancellationToken ct)
    {
        if (_set.Others.Count == 0 || (_local.Find(repository)?.Backend as StoreBackend)?.Store is not { } store)
            return false;
        var key = (repository, name);
        if (_absent.TryGetValue(key, out long since) && _clock.GetElapsedTime(since) < AbsentFor)
            return false;
        if (_bringing.Count >= BroughtAtOnce && !_bringing.ContainsKey(key))
            return false;
        // One for all who ask at the same time: it does not end with the first of them.
        var task = _bringing.GetOrAdd(key, k => new Lazy<Task<bool>>(() => BringAsync(store, k))).Value;
        return await task.WaitAsync(ct).ConfigureAwait(false);
    }

    private async Task<bool> BringAsync(RepositoryStore store, (string Repository, ObjectName Name) key)
    {
        try
        {
            if ((await _copies.PullAsync(store, [StoreItem.Of(key.Name)], CancellationToken.None).ConfigureAwait(false)).Count == 0)
                return true;
            if (_absent.Count >= AbsentMax)
                _absent.Clear();
            _absent[key] = _clock.GetTimestamp();
            return false;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            _bringing.TryRemove(key, out _);
        }
    }

    /// <summary>Fingerprints of the certificates whose keys this node has.</summary>
    public IReadOnlyList<string> Certificates(string repository) => RepositoryName.IsValid(repository)
        ? [.. new KeyFolder(_options.KeysDirectory).Certificates(repository).Select(c => c.Certificate.Fingerprint())]
        : [];

    /// <summary>The newest event that the repository's store has applied, open or not; 0 = none.</summary>
    public long Applied(string repository)
    {
        if (_local.Find(repository) is { } open)
            return open.Backend.AppliedSequence;
        return RepositoryName.IsValid(repository) ? RepositoryStore.LastApplied(new StoreLayout(_options.DataDirectory), repository) : 0;
    }
}
