namespace CvmfsNix.Cluster.Replication;

/// <summary>Why a revision could not be brought here.</summary>
public enum ReplicationFailure
{
    /// <summary>A signature, name or format of the manifest, certificate or whitelist is wrong: somebody else's, or tampered with.</summary>
    NotTrusted,

    /// <summary>The whitelist has run out: the repository's owner must renew it.</summary>
    Expired,

    /// <summary>Every source answers, and none has it.</summary>
    SourcesLack,

    /// <summary>Sources that might have it cannot be reached, or do not get on. Try again.</summary>
    SourcesUnreachable,

    /// <summary>Content that the signed catalogs name is no good, wherever it comes from: a defect of the repository itself.</summary>
    Corrupt,

    /// <summary>The disk is full, or nearly.</summary>
    DiskFull,

    /// <summary>The disk failed.</summary>
    DiskFailed,
}

/// <summary>A revision could not be brought here. Nothing visible was changed, and what came stays: the next attempt asks only for the rest.</summary>
/// <param name="failure">The kind.</param>
/// <param name="message">What, where, and what to do, for a person.</param>
/// <param name="inner">What failed below, if anything.</param>
public sealed class ReplicationException(ReplicationFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The kind.</summary>
    public ReplicationFailure Failure { get; } = failure;
}
