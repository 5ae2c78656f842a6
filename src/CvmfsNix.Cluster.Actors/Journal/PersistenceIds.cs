using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>Names of histories in the journal. They are part of every row: never changed.</summary>
internal static class PersistenceIds
{
    /// <summary>The leader's list of repositories and leaderships.</summary>
    public const string Registry = "registry";

    /// <summary>A repository's history.</summary>
    public static string Repository(RepositoryId repository) => $"repository-{repository}";

    /// <summary>A ledger, by its entity id.</summary>
    public static string Ledger(string entityId) => $"ledger-{entityId}";

    /// <summary>A mirror of a repository.</summary>
    public static string Replica(ReplicaKey key) => $"replica-{key.EntityId}";

    /// <summary>A repository's list of mirrors.</summary>
    public static string Directory(RepositoryId repository) => $"replicas-of-{repository}";

    /// <summary>A repository's history on a mirror.</summary>
    public static string Mirror(string repository) => $"mirror-{repository}";
}
