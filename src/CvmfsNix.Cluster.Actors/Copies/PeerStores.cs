using Akka.Actor;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>This node's stores as its peers see them. Thread-safe.</summary>
public sealed class PeerStores
{
    private readonly LocalRepositories _local;
    private readonly StoreSet _set;
    private readonly CoreOptions _options;
    private readonly CoreSystem _core;

    internal PeerStores(LocalRepositories local, StoreSet set, CoreOptions options, CoreSystem core) =>
        (_local, _set, _options, _core) = (local, set, options, core);

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

    /// <summary>The newest event that the repository's store has applied, open or not; 0 = none.</summary>
    public long Applied(string repository)
    {
        if (_local.Find(repository) is { } open)
            return open.Backend.AppliedSequence;
        return RepositoryName.IsValid(repository) ? RepositoryStore.LastApplied(new StoreLayout(_options.DataDirectory), repository) : 0;
    }
}
