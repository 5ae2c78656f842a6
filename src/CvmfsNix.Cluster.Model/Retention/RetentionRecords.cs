using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>A path that is kept up to a time, with everything it needs. The path need not be there yet.</summary>
/// <param name="Path">The path.</param>
/// <param name="Until">When the pin ends.</param>
/// <param name="By">Who asked for it; for people.</param>
public sealed record PathPin(StorePathName Path, DateTimeOffset Until, string By);

/// <summary>A path that was taken back and must not be published again unnoticed.</summary>
/// <param name="Path">The path.</param>
/// <param name="Reason">Why, in the operator's words.</param>
/// <param name="By">Who took it back.</param>
/// <param name="At">When.</param>
public sealed record Tombstone(StorePathName Path, string Reason, string By, DateTimeOffset At);

/// <summary>Paths that a revision removed and whose objects are still there: whoever needs one of them gets it back.</summary>
/// <param name="Revision">The revision that no longer has them.</param>
/// <param name="At">When it was committed; their grace counts from here.</param>
/// <param name="Digest">The record file that names them.</param>
/// <param name="Paths">How many they are.</param>
public sealed record RemovedPaths(ulong Revision, DateTimeOffset At, string Digest, long Paths);

/// <summary>Bounds of what is part of a repository's state.</summary>
public static class RetentionLimits
{
    /// <summary>Most pins of a repository.</summary>
    public const int PinsMax = 20_000;

    /// <summary>Most paths of one request for pins: it travels as one message.</summary>
    public const int PinsAtOnce = 200;

    /// <summary>Most tombstones of a repository.</summary>
    public const int TombstonesMax = 10_000;

    /// <summary>Most characters of a reason.</summary>
    public const int ReasonLengthMax = 300;

    /// <summary>Most characters of the name of who asked.</summary>
    public const int ByLengthMax = 100;
}
