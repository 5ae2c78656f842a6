using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>One repository on one mirror: what is registered, paused and waited for.</summary>
public readonly record struct ReplicaKey(RepositoryId Repository, ReplicaId Replica)
{
    /// <summary>As in <c>nix.example.org/geneva-1</c>. Part of persistence ids: never changed.</summary>
    public string EntityId => $"{Repository}/{Replica}";

    /// <summary>The opposite of <see cref="EntityId"/>.</summary>
    /// <exception cref="FormatException">It is no entity id.</exception>
    public static ReplicaKey Parse(string entityId)
    {
        ArgumentNullException.ThrowIfNull(entityId);
        int slash = entityId.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
            throw new FormatException($"'{entityId}' names no replica: expected a repository, a slash and a replica id.");
        return new ReplicaKey(RepositoryId.Parse(entityId[..slash]), ReplicaId.Parse(entityId[(slash + 1)..]));
    }

    public override string ToString() => EntityId;
}
