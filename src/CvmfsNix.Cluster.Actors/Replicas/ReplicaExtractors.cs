using Akka.Cluster.Sharding;
using CvmfsNix.Cluster.Model.Replicas;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>Finds a message's replica.</summary>
internal sealed class ReplicaExtractor() : HashCodeMessageExtractor(ShardCount)
{
    /// <summary>Shards of all replicas together. Changing it needs a stopped cluster.</summary>
    public const int ShardCount = 32;

    public override string? EntityId(object message) => message is ReplicaProtocol.IReplicaMessage m ? m.Key.EntityId : null;
}

/// <summary>Finds the directory of a message's repository.</summary>
internal sealed class DirectoryExtractor() : HashCodeMessageExtractor(ShardCount)
{
    /// <summary>Shards of all directories together. Changing it needs a stopped cluster.</summary>
    public const int ShardCount = 16;

    public override string? EntityId(object message) => message is ReplicaProtocol.IDirectoryMessage m ? m.Repository.Value : null;
}
