using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>What bounds the forgetting of record files.</summary>
/// <param name="UpTo">Later revisions keep theirs.</param>
/// <param name="Removals">Revisions whose removed paths can still be had back.</param>
/// <param name="Tagged">Revisions that tags name: what is known of the paths they have stays, also of those that were removed since.</param>
public sealed record RecordBounds(ulong UpTo, IReadOnlyCollection<ulong> Removals, IReadOnlyCollection<ulong> Tagged);

/// <summary>
/// Tells which record files an index can be filled again without, to the same end. A path lies in the history as an interval, from the revision that brought it to the
/// one that removed it. A revision is needed when it is the first one, when it brought a path that is there, or one that a tag still has, or when it removed or signed
/// a path that a needed revision brought.
/// </summary>
public static class RecordUse
{
    /// <summary>The revisions whose record files nobody needs.</summary>
    /// <param name="store">Has the record files, and an index that stands at <see cref="RecordBounds.UpTo"/> or beyond.</param>
    /// <param name="records">Of all revisions that have record files, ascending.</param>
    /// <param name="bounds">What must stay.</param>
    /// <param name="share">Of the time, how much it may take; 1 = without pauses.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IncompleteStoreException">A record file is not here; nothing can be said.</exception>
    /// <exception cref="RecordFormatException">One is damaged; nothing can be said.</exception>
    public static async Task<IReadOnlyList<ulong>> FindForgettableAsync(
        RepositoryStore store, IReadOnlyList<RevisionRecords> records, RecordBounds bounds, double share, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(records);
        ArgumentNullException.ThrowIfNull(bounds);
        if (store.IndexedRevision < bounds.UpTo)
            return [];
        var pace = new CollectionPace(share, TimeProvider.System);
        ulong[] tagged = [.. bounds.Tagged.Order()];
        var brought = new Dictionary<StorePathName, ulong>();
        var intervals = new HashSet<(ulong From, ulong To)>();
        var signed = new HashSet<(ulong From, ulong At)>();
        foreach (RevisionRecords revision in records)
        {
            foreach (PathInfo info in PathInfoFile.Read(Open(store, revision), revision.PathInfoDigest))
            {
                // A path that is there stays as it is.
                brought.TryAdd(info.Path, revision.Revision);
                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }

            foreach (StorePathName name in PathInfoFile.ReadRemovedNames(Open(store, revision), revision.PathInfoDigest))
            {
                if (brought.Remove(name, out ulong from))
                    intervals.Add((from, revision.Revision));
                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }

            foreach (PathInfo info in PathInfoFile.ReadSigned(Open(store, revision), revision.PathInfoDigest))
            {
                if (brought.TryGetValue(info.Path, out ulong from))
                    signed.Add((from, revision.Revision));
                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        // The index knows what is there as well; it is asked last, because what it has only ever goes.
        HashSet<ulong> needed = [.. brought.Values, .. bounds.Removals, .. records.Where(r => r.Revision > bounds.UpTo || r.Previous == 0).Select(r => r.Revision), .. store.Index.RevisionsWithPaths];
        // What a revision brings is removed and signed by later ones, which may bring something too: ascending, each is decided before those that hang on it.
        ILookup<ulong, ulong> removals = intervals.ToLookup(i => i.From, i => i.To);
        ILookup<ulong, ulong> signatures = signed.ToLookup(s => s.From, s => s.At);
        foreach (ulong brings in records.Select(r => r.Revision))
        {
            if (removals[brings].Any(to => to > bounds.UpTo || IsTagged(tagged, brings, to)))
                needed.Add(brings);
            if (!needed.Contains(brings))
                continue;
            needed.UnionWith(removals[brings]);
            needed.UnionWith(signatures[brings]);
        }

        return store.IndexedRevision < bounds.UpTo ? [] : [.. records.Select(r => r.Revision).Where(r => !needed.Contains(r))];
    }

    private static bool IsTagged(ulong[] tagged, ulong from, ulong to)
    {
        int at = Array.BinarySearch(tagged, from);
        at = at < 0 ? ~at : at;
        return at < tagged.Length && tagged[at] < to;
    }

    private static Stream Open(RepositoryStore store, RevisionRecords revision) => store.Blobs.OpenRead(revision.PathInfoDigest)
        ?? throw new IncompleteStoreException(store.Format.Repository, $"revision {revision.Revision}", [revision.PathInfoDigest]);
}
