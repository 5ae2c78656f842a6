using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>
/// The revisions of one history among all that a mirror was told of. Where a core lost its newest revisions for good, it goes on from an older one: what a mirror noted
/// of the lost ones is not what the next one builds on.
/// </summary>
internal static class RecordChain
{
    /// <summary>What an index that stands at a revision lacks up to the newest.</summary>
    /// <param name="indexed">Where the index stands; 0 = it is empty.</param>
    /// <param name="told">In the order they were told; the last is the newest, and of two with one number the later counts.</param>
    /// <returns>Oldest first; null = the newest does not build on <paramref name="indexed"/>, as far as is known.</returns>
    public static IReadOnlyList<RevisionRecords>? Behind(ulong indexed, IReadOnlyList<RevisionRecords> told)
    {
        if (told.Count == 0)
            return null;
        var byRevision = new Dictionary<ulong, RevisionRecords>();
        foreach (RevisionRecords records in told)
            byRevision[records.Revision] = records;
        var chain = new List<RevisionRecords>();
        ulong at = told[^1].Revision;
        while (at != indexed)
        {
            // Numbers only fall on the way back, so that it ends.
            if (!byRevision.TryGetValue(at, out RevisionRecords? records) || records.Previous >= at || at < indexed)
                return null;
            chain.Add(records);
            at = records.Previous;
        }

        chain.Reverse();
        return chain;
    }
}
