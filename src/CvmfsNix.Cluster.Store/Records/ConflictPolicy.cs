namespace CvmfsNix.Cluster.Store.Records;

/// <summary>What becomes of a path that the repository has with other content, when the path is addressed by its inputs.</summary>
public enum ConflictPolicy
{
    /// <summary>The first content is kept and the builder is told so.</summary>
    Keep,

    /// <summary>The transaction is rejected.</summary>
    Refuse,
}
