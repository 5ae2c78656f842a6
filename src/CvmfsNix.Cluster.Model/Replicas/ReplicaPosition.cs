namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>How far a mirror is with a repository, by its own words.</summary>
/// <param name="Sequence">The last event in effect there; 0 = none.</param>
/// <param name="Revision">The revision it serves; 0 = none.</param>
/// <param name="RootHash">Root hash of that revision; empty = none.</param>
/// <param name="MissingBytes">Stored bytes still to fetch for what it works at, as far as it knows.</param>
/// <param name="MissingObjects">How many objects these are.</param>
/// <param name="CatchingUp">It goes over the whole of the newest revision, because it is new or far behind.</param>
/// <param name="Problem">Why it does not get on; empty = it does.</param>
public sealed record ReplicaPosition(
    long Sequence, ulong Revision, string RootHash, long MissingBytes = 0, long MissingObjects = 0, bool CatchingUp = false, string Problem = "")
{
    /// <summary>What went wrong there last, also when it is over; empty = nothing since it started.</summary>
    public string Trouble { get; init; } = "";

    /// <summary>When that was; the epoch = never.</summary>
    public DateTimeOffset TroubleAt { get; init; } = DateTimeOffset.UnixEpoch;

    /// <summary>Most characters of a problem that are kept.</summary>
    public const int ProblemLengthMax = 300;

    /// <summary>Nothing yet.</summary>
    public static ReplicaPosition None { get; } = new(0, 0, "");

    /// <summary>This position, and the trouble of an earlier one where this one tells of none: a mirror that was started anew has forgotten it.</summary>
    public ReplicaPosition After(ReplicaPosition earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        return Trouble.Length > 0 ? this : this with { Trouble = earlier.Trouble, TroubleAt = earlier.TroubleAt };
    }
}
