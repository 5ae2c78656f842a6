using CvmfsNix.Cluster.Actors.Journal;

namespace CvmfsNix.Cluster.Actors.Forming;

/// <summary>
/// Sees that the cluster has come apart: members of one incarnation that live, by the journal database, and that this node's own view of the
/// members lacks. A node that was frozen can come to that: it wakes up, misses one member after the other, each time sees itself in the majority
/// of those that are left, and ends as a cluster of its own, while the others have put it out. Nothing else would ever bring the parts together,
/// since each takes the other for gone. The smaller part is to join the larger one; of equal ones that which lacks the lowest address. Only pure
/// decisions; not thread-safe.
/// </summary>
/// <param name="self">Own remoting address.</param>
/// <param name="times">The times of membership.</param>
internal sealed class SplitWatch(string self, FormingTimes times)
{
    // Members speak every beat; one may come late.
    private const int BeatsMissed = 3;

    private TimeSpan? _since;

    /// <summary>The database did not answer: what was seen before says nothing of what lasts.</summary>
    public void Forget() => _since = null;

    /// <summary>Looks at what the database says and at what this node sees.</summary>
    /// <param name="record">What the database says.</param>
    /// <param name="members">Remoting addresses of all members in this node's view, reachable or not, itself included.</param>
    /// <param name="now">A monotonic time.</param>
    /// <returns>Why this node has to join the others; null = it has not, or not yet: views differ for a moment whenever somebody comes or goes.</returns>
    public string? Look(ClusterRecord record, IReadOnlySet<string> members, TimeSpan now)
    {
        var living = record.Members.Where(m => m.SilentFor <= BeatsMissed * times.BeatEvery).Select(m => m.Address).Append(self).ToHashSet(StringComparer.Ordinal);
        var outside = living.Where(a => !members.Contains(a)).Order(StringComparer.Ordinal).ToList();
        int inside = living.Count - outside.Count;
        bool smaller = outside.Count > inside || (outside.Count == inside && StringComparer.Ordinal.Compare(outside[0], living.Where(members.Contains).Min(StringComparer.Ordinal)) < 0);
        if (!smaller)
        {
            _since = null;
            return null;
        }

        _since ??= now;
        return now - _since < times.AliveWithin
            ? null
            : $"the cluster came apart: {string.Join(", ", outside)} {(outside.Count == 1 ? "is a living member" : "are living members")} that this node has put out, and it has {(inside == 1 ? "nobody else" : $"only {inside - 1} others")}";
    }
}
