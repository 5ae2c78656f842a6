using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>What somebody decided about keeping and removing. Changes no named file.</summary>
public interface IRetentionEvent : IRepositoryEvent;

/// <summary>The rules of a repository were set.</summary>
public sealed record RetentionSet(RetentionRules Rules, string By, DateTimeOffset At) : IRetentionEvent;

/// <summary>Paths are kept up to a time; an earlier pin of one of them is only ever made longer.</summary>
public sealed record PathsPinned(IReadOnlyList<StorePathName> Paths, DateTimeOffset Until, string By, DateTimeOffset At) : IRetentionEvent
{
    public bool Equals(PathsPinned? other) => other is not null && Paths.SequenceEqual(other.Paths) && Until == other.Until && By == other.By && At == other.At;

    public override int GetHashCode() => HashCode.Combine(Paths.Count, Until, At);
}

/// <summary>A path was taken back: it may not be published again unnoticed. The revision without it is an event of its own.</summary>
public sealed record PathWithdrawn(StorePathName Path, string Reason, string By, DateTimeOffset At) : IRetentionEvent;

/// <summary>The grace of removed paths is over: nobody gets them back, and stores may delete what only they needed.</summary>
/// <param name="UpTo">Of all that were removed by this revision or an earlier one.</param>
/// <param name="At">When.</param>
public sealed record RemovalsExpired(ulong UpTo, DateTimeOffset At) : IRetentionEvent;

/// <summary>
/// The record files of revisions are needed by nobody: nothing they brought is left, and what they took away nobody brings. Whoever follows the history from the start
/// passes these revisions over, and stores may delete the files.
/// </summary>
/// <param name="Revisions">The revisions.</param>
/// <param name="At">When.</param>
public sealed record RecordsForgotten(RevisionSet Revisions, DateTimeOffset At) : IRetentionEvent;
