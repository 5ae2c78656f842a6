using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>What the writer of a repository is asked about keeping and removing. Refusals are <see cref="RepositoryProtocol.Failed"/>.</summary>
public static class RetentionProtocol
{
    /// <summary>A message about retention to the writer of a repository.</summary>
    public interface IRetentionRequest
    {
        /// <summary>The repository.</summary>
        RepositoryId Repository { get; }
    }

    /// <summary>Sets the rules. Safe to repeat. Answered by <see cref="RetentionIs"/>.</summary>
    public sealed record SetRetention(RepositoryId Repository, RetentionRules Rules, string By) : IRetentionRequest;

    /// <summary>Keeps paths up to a time, those too that are not there yet. Safe to repeat. Answered by <see cref="RetentionIs"/> without lists.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Paths">At most <see cref="RetentionLimits.PinsAtOnce"/>.</param>
    /// <param name="Until">The end.</param>
    /// <param name="By">Who asks.</param>
    public sealed record PinPaths(RepositoryId Repository, IReadOnlyList<StorePathName> Paths, DateTimeOffset Until, string By) : IRetentionRequest
    {
        public bool Equals(PinPaths? other) => other is not null && Repository == other.Repository && Paths.SequenceEqual(other.Paths) && Until == other.Until && By == other.By;

        public override int GetHashCode() => HashCode.Combine(Repository, Until, By);
    }

    /// <summary>Takes a path back, and everything that needs it. Safe to repeat. Answered by <see cref="RemovalIs"/> once the revision without it is in the journal.</summary>
    public sealed record WithdrawPath(RepositoryId Repository, StorePathName Path, string Reason, string By) : IRetentionRequest;

    /// <summary>Removes what the rules do not keep. Answered at once by <see cref="RemovalIs"/>: it goes on in parts, between commits.</summary>
    public sealed record RemovePaths(RepositoryId Repository, string By) : IRetentionRequest;

    /// <summary>
    /// Makes what an earlier revision had the newest one. Safe to repeat: a repository that is there is left alone. Answered by <see cref="RolledBack"/> once
    /// it is in the journal.
    /// </summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Revision">Its number; 0 = that of the tag.</param>
    /// <param name="Tag">A named tag, or <c>trunk-previous</c>; empty = none.</param>
    /// <param name="By">Who asks.</param>
    public sealed record RollBack(RepositoryId Repository, ulong Revision, string Tag, string By) : IRetentionRequest;

    /// <summary>The repository is where it was.</summary>
    /// <param name="To">The revision that was wanted.</param>
    /// <param name="Revision">The newest revision.</param>
    /// <param name="RootHash">Its root catalog.</param>
    /// <param name="SequenceNumber">The last event of the repository.</param>
    /// <param name="Returned">Paths that came back.</param>
    /// <param name="Removed">Paths that went.</param>
    /// <param name="LeftOut">Paths that stay away: they were withdrawn, or need one that was; at most <see cref="ListedAtOnce"/>.</param>
    /// <param name="LeftOutCount">How many these are.</param>
    public sealed record RolledBack(
        ulong To, ulong Revision, string RootHash, long SequenceNumber, long Returned, long Removed, IReadOnlyList<StorePathName> LeftOut, long LeftOutCount)
    {
        public bool Equals(RolledBack? other) => other is not null && To == other.To && Revision == other.Revision && RootHash == other.RootHash && SequenceNumber == other.SequenceNumber
            && Returned == other.Returned && Removed == other.Removed && LeftOut.SequenceEqual(other.LeftOut) && LeftOutCount == other.LeftOutCount;

        public override int GetHashCode() => HashCode.Combine(To, Revision, SequenceNumber);
    }

    /// <summary>Asks for rules, roots and what is under way; long lists come in parts.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="From">Items of each list that are known already.</param>
    public sealed record GetRetention(RepositoryId Repository, int From) : IRetentionRequest;

    /// <summary>Most items of each list of one answer.</summary>
    public const int ListedAtOnce = 100;

    /// <summary>Rules, roots, and what is under way.</summary>
    /// <param name="Rules">The rules.</param>
    /// <param name="Generations">Generations of profiles.</param>
    /// <param name="Pins">Pins.</param>
    /// <param name="Withdrawn">Tombstones.</param>
    /// <param name="Removals">Removals whose objects are still there.</param>
    /// <param name="ExpiredRemoval">What this revision or an earlier one removed is gone for good.</param>
    /// <param name="Removal">The running removal, or the last one.</param>
    /// <param name="SequenceNumber">The last event of the repository.</param>
    /// <param name="More">The lists go on.</param>
    public sealed record RetentionIs(
        RetentionRules Rules,
        IReadOnlyList<ProfileGenerationRecord> Generations,
        IReadOnlyList<PathPin> Pins,
        IReadOnlyList<Tombstone> Withdrawn,
        IReadOnlyList<RemovedPaths> Removals,
        ulong ExpiredRemoval,
        RemovalIs Removal,
        long SequenceNumber,
        bool More)
    {
        public bool Equals(RetentionIs? other) => other is not null && Rules == other.Rules && Generations.SequenceEqual(other.Generations) && Pins.SequenceEqual(other.Pins)
            && Withdrawn.SequenceEqual(other.Withdrawn) && Removals.SequenceEqual(other.Removals) && ExpiredRemoval == other.ExpiredRemoval && Removal == other.Removal
            && SequenceNumber == other.SequenceNumber && More == other.More;

        public override int GetHashCode() => HashCode.Combine(Rules, SequenceNumber, Pins.Count);
    }

    /// <summary>A removal of paths.</summary>
    /// <param name="Running">It is under way.</param>
    /// <param name="Left">Paths still to be removed, as far as is known.</param>
    /// <param name="Removed">Paths removed by this run.</param>
    /// <param name="StartedAt">When it began; the Unix epoch = never since this writer started.</param>
    /// <param name="EndedAt">When it ended.</param>
    /// <param name="Problem">Why it ended early; empty = it did not.</param>
    /// <param name="Revision">The newest revision.</param>
    /// <param name="SequenceNumber">The last event of the repository.</param>
    /// <param name="Paths">Of a withdrawal: what was removed, at most <see cref="ListedAtOnce"/> of it.</param>
    /// <param name="PathsCount">How many these are.</param>
    public sealed record RemovalIs(
        bool Running, long Left, long Removed, DateTimeOffset StartedAt, DateTimeOffset EndedAt, string Problem, ulong Revision, long SequenceNumber, IReadOnlyList<StorePathName> Paths, long PathsCount)
    {
        /// <summary>None since the writer started.</summary>
        public static RemovalIs None { get; } = new(false, 0, 0, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, "", 0, 0, [], 0);

        public bool Equals(RemovalIs? other) => other is not null && Running == other.Running && Left == other.Left && Removed == other.Removed && StartedAt == other.StartedAt
            && EndedAt == other.EndedAt && Problem == other.Problem && Revision == other.Revision && SequenceNumber == other.SequenceNumber && Paths.SequenceEqual(other.Paths)
            && PathsCount == other.PathsCount;

        public override int GetHashCode() => HashCode.Combine(Running, Removed, StartedAt, SequenceNumber);
    }
}
