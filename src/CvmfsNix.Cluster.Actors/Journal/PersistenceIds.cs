using CvmfsNix.Cluster.Model.Ids;

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
}
