using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.Replication;

/// <summary>The stores that this node hands out packs of.</summary>
public interface IReplicaStores
{
    /// <summary>The repository's store; null when it is not open here, perhaps only for the moment.</summary>
    RepositoryStore? Find(string repository);
}

/// <summary>No stores at all.</summary>
internal sealed class NoStores : IReplicaStores
{
    public RepositoryStore? Find(string repository) => null;
}
