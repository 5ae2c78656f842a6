using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Node.Replication;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>A mirror hands out packs as well: to its siblings.</summary>
public sealed class MirrorStores(IMirror mirror) : IReplicaStores
{
    /// <inheritdoc/>
    public RepositoryStore? Find(string repository) => mirror.Find(repository);
}
