using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.Replication;

/// <summary>The stores of a core node.</summary>
public sealed class CoreReplicaStores(PeerStores stores) : IReplicaStores
{
    /// <inheritdoc/>
    public RepositoryStore? Find(string repository) => stores.Find(repository);
}
