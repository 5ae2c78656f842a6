using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>What became of a transaction in a batch.</summary>
public enum MemberStatus
{
    /// <summary>The revision holds paths or a profile generation of this transaction.</summary>
    Committed,

    /// <summary>Everything it asked for is there without it; where an earlier member of the batch brought it, with the batch's revision.</summary>
    Unchanged,

    /// <summary>Nothing of it was taken.</summary>
    Rejected,
}

/// <summary>The stable names of the reasons a transaction is rejected for at commit.</summary>
public static class RejectionCodes
{
    /// <summary>A path exists with other content and may not be kept as it is.</summary>
    public const string StorePathConflict = "StorePathConflict";

    /// <summary>A path or profile names a path that is neither committed nor in the batch.</summary>
    public const string MissingReference = "MissingReference";

    /// <summary>A path was taken back by an operator and is not published again unnoticed.</summary>
    public const string PathWithdrawn = "PathWithdrawn";

    /// <summary>The bundle is none of this repository, or names another transaction.</summary>
    public const string InvalidBundle = "InvalidBundle";

    /// <summary>The revision that would hold it breaks a rule of the format: a defect of ours, found before it was published.</summary>
    public const string CommitNotValid = "CommitNotValid";

    /// <summary>The profile's name cannot be a file name.</summary>
    public const string InvalidProfile = "InvalidProfile";
}

/// <summary>The decision on one transaction of a batch.</summary>
/// <param name="Transaction">The builder's transaction id.</param>
/// <param name="Status">Committed, unchanged or rejected.</param>
/// <param name="Code">One of <see cref="RejectionCodes"/> when rejected, else null.</param>
/// <param name="What">The path or profile a rejection is about.</param>
/// <param name="Message">A rejection's reason in a sentence.</param>
/// <param name="Hint">What the builder can do about a rejection.</param>
/// <param name="PathsNew">Paths the revision has from this transaction.</param>
/// <param name="PathsPresent">Paths that were there with the same content, or came from an earlier member.</param>
/// <param name="ContentKept">Paths that were there with other content, which stays.</param>
/// <param name="BytesStored">Stored bytes of the objects of its new paths, each object once in a revision.</param>
public sealed record MemberOutcome(
    Guid Transaction,
    MemberStatus Status,
    string? Code,
    string? What,
    string? Message,
    string? Hint,
    int PathsNew,
    int PathsPresent,
    IReadOnlyList<StorePathName> ContentKept,
    long BytesStored);
