using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Steps;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <content>What is removed, had back, expired and forgotten.</content>
public sealed partial class RepositoryStore
{
    /// <summary>
    /// Makes the revision after <paramref name="head"/> without some paths. Durable on return and signed; nothing is visible. The caller appends the
    /// revision's event and then adopts or discards. Paths that are not there are passed over.
    /// </summary>
    /// <param name="head">The newest revision.</param>
    /// <param name="paths">What is to go. What of it a path that stays needs, stays too.</param>
    /// <param name="keepNeeded">False: a path that stays and needs one of them is an error.</param>
    /// <param name="drop">Generations of profiles to go with them, if they lead to one of them; if nothing is kept, wherever they lead.</param>
    /// <param name="keys">Sign.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Stops before anything counts.</param>
    /// <returns>The revision; null when nothing is to go.</returns>
    /// <exception cref="Commit.Guard.CommitNotValidException">What was built breaks a rule and was thrown away: a defect of ours.</exception>
    /// <exception cref="IndexBehindException">The index does not stand at the head.</exception>
    /// <exception cref="IncompleteStoreException">A catalog of the head or of a path is not here.</exception>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public Task<CommittedRevision?> PrepareRemovalAsync(
        RepositoryHead head, IReadOnlyCollection<StorePathName> paths, bool keepNeeded, IReadOnlyList<ProfileGeneration> drop, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(drop);
        ArgumentNullException.ThrowIfNull(keys);
        return ExclusiveAsync(_committing, () => _commits.BuildRemovalAsync(head, paths, keepNeeded, drop, keys, now, cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Makes the revision after <paramref name="head"/> with paths that were removed and can be had back. Paths that were withdrawn, that need one that was, or whose objects are
    /// nowhere stay away. Otherwise as <see cref="PrepareRemovalAsync"/>.
    /// </summary>
    /// <param name="head">The newest revision.</param>
    /// <param name="wanted">What is to come back, with all it needs.</param>
    /// <param name="profiles">Profiles that are to lead to a path; where that stays away they are left alone.</param>
    /// <param name="rules">What was removed and taken back before.</param>
    /// <param name="keys">Sign.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Stops before anything counts.</param>
    /// <returns>Without a revision when nothing comes back.</returns>
    public Task<PreparedCommit> PrepareReturnAsync(
        RepositoryHead head,
        IReadOnlyCollection<StorePathName> wanted,
        IReadOnlyList<(string Profile, StorePathName Target)> profiles,
        CommitRules rules,
        RepositoryKeys keys,
        DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(profiles);
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(keys);
        return ExclusiveAsync(_committing, () => _commits.BuildReturnAsync(head, wanted, profiles, rules, keys, now, cancellationToken), cancellationToken);
    }

    /// <summary>The grace of removed paths is over: they cannot be had back from here on.</summary>
    public Task ApplyExpiredAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ulong upTo, CancellationToken cancellationToken) => ApplyAsync(
        sequence,
        async () =>
        {
            Index.ForgetRemovals(upTo);
            await _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken).ConfigureAwait(false);
        },
        cancellationToken);

    /// <summary>As <see cref="ReindexAsync"/>, of a revision of which nothing is left.</summary>
    /// <exception cref="IndexBehindException">The revision before it is not indexed.</exception>
    public Task ReindexForgottenAsync(ulong revision, ulong previous, CancellationToken cancellationToken) => IndexAsync(RevisionRecords.Forgotten(revision, previous), cancellationToken);

    /// <summary>
    /// As <see cref="PassRecordsAsync"/>, of a revision of which nothing is left: not even its record files are looked at.
    /// </summary>
    public Task PassForgottenAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CommittedRevision revision, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(revision);
        return ApplyAsync(
            sequence,
            async () =>
            {
                await MarkIncompleteAsync(cancellationToken).ConfigureAwait(false);
                ApplyToIndex(RevisionRecords.Forgotten(revision.Head.Revision, revision.Head.Previous?.Revision ?? 0));
                await _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>
    /// Deletes record files that nobody needs, unless somebody counted on one of them lately: the same bytes may be those of a new revision.
    /// </summary>
    /// <param name="digests">Of revisions that are forgotten; none that another one has as well.</param>
    /// <param name="cutoff">What was counted on at this time or later stays.</param>
    /// <returns>How many were deleted, and their bytes.</returns>
    public (int Files, long Bytes) ForgetRecords(IEnumerable<string> digests, DateTimeOffset cutoff)
    {
        ArgumentNullException.ThrowIfNull(digests);
        (int files, long bytes) = (0, 0);
        foreach (string digest in digests)
        {
            if (Blobs.DeleteOlder(digest, cutoff) is not { } size)
                continue;
            (files, bytes) = (files + 1, bytes + size);
            StepProbe.At(StepNames.RecordsDeleted, Format.Repository);
        }

        return (files, bytes);
    }

    /// <summary>Deletes archived events that are older; the newest ones stay, whatever their age.</summary>
    /// <param name="cutoff">What was archived at this time or later stays.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many were deleted.</returns>
    public Task<int> TrimArchiveAsync(DateTimeOffset cutoff, CancellationToken cancellationToken) =>
        Task.Run(() => _applied.Trim(cutoff, () => StepProbe.At(StepNames.ArchiveTrimmed, Format.Repository), cancellationToken), cancellationToken);
}
