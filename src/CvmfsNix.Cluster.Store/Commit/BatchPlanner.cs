using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>What the planner needs to know of a path: no tree, no objects, so that a batch of many thousand paths stays small.</summary>
/// <param name="Path">Base name.</param>
/// <param name="NarHash">Decides whether two contents are the same.</param>
/// <param name="References">What must be there with it; may name the path itself.</param>
/// <param name="IsContentAddressed">Whether other content under this name is always an error.</param>
public sealed record PlannedPath(StorePathName Path, NarHash NarHash, IReadOnlyList<StorePathName> References, bool IsContentAddressed);

/// <summary>A member of a batch as the planner sees it.</summary>
/// <param name="Transaction">The builder's transaction id.</param>
/// <param name="Conflict">For paths that exist with other content.</param>
/// <param name="ProfileTarget">A path that must be there after the commit; null = none.</param>
/// <param name="Paths">No path twice.</param>
public sealed record PlannedMember(Guid Transaction, ConflictPolicy Conflict, StorePathName? ProfileTarget, IReadOnlyList<PlannedPath> Paths);

/// <summary>Why a member was rejected.</summary>
public sealed record Rejection(string Code, string What, string Message, string Hint);

/// <summary>The decision on one member.</summary>
/// <param name="Rejection">Null when it is taken.</param>
/// <param name="New">Paths to be added from this member; empty when it is rejected.</param>
/// <param name="Present">Paths that are there, or come from an earlier member, with the same content.</param>
/// <param name="ContentKept">Paths that are there, or come from an earlier member, with other content.</param>
public sealed record MemberPlan(Rejection? Rejection, IReadOnlyList<StorePathName> New, int Present, IReadOnlyList<StorePathName> ContentKept);

/// <summary>
/// Decides a batch of transactions against the committed paths. Pure: a function of its arguments.
/// <para>
/// Members are decided in the order of the queue, so of two contents for one new path the earlier member's is taken. A path may refer to
/// any committed path and to any path of any member that is taken, also of a later one: after the commit all of them are there at once.
/// A member is taken whole or not at all, and one that is rejected takes those with it that cannot do without its paths.
/// </para>
/// </summary>
public static class BatchPlanner
{
    /// <summary>Plans the batch.</summary>
    /// <param name="members">In the order of the queue.</param>
    /// <param name="committed">NAR hash of a committed path, null for one that is not committed.</param>
    /// <returns>One plan per member, in the same order. The sets of new paths are disjoint; together with the committed paths they are closed under references.</returns>
    public static IReadOnlyList<MemberPlan> Plan(IReadOnlyList<PlannedMember> members, Func<StorePathName, NarHash?> committed)
    {
        ArgumentNullException.ThrowIfNull(members);
        ArgumentNullException.ThrowIfNull(committed);
        var round = new Round(members, committed);
        return round.Decide();
    }

    private sealed class Round(IReadOnlyList<PlannedMember> members, Func<StorePathName, NarHash?> committed)
    {
        private readonly Dictionary<StorePathName, NarHash?> _known = [];
        private readonly Rejection?[] _rejections = new Rejection?[members.Count];

        // The member that a rejection for a conflict within the batch gives way to.
        private readonly int?[] _lostTo = new int?[members.Count];

        // Rejected whatever becomes of the others.
        private readonly bool[] _final = new bool[members.Count];

        public MemberPlan[] Decide()
        {
            for (int i = 0; i < members.Count; i++)
            {
                _rejections[i] = ConflictWithCommitted(members[i]);
                _final[i] = _rejections[i] is not null;
            }

            do
            {
                do
                    RejectUnclosed();
                while (RejectFirstConflict());
            }
            while (SomeoneLostToARejected());

            return Assign();
        }

        private NarHash? Committed(StorePathName path)
        {
            if (!_known.TryGetValue(path, out NarHash? hash))
                _known[path] = hash = committed(path);
            return hash;
        }

        private Rejection? ConflictWithCommitted(PlannedMember member)
        {
            foreach (PlannedPath path in member.Paths)
            {
                if (Committed(path.Path) is { } there && there != path.NarHash && Insists(member, path))
                    return Conflict(path, there, "is committed");
            }

            return null;
        }

        private static bool Insists(PlannedMember member, PlannedPath path) => path.IsContentAddressed || member.Conflict == ConflictPolicy.Refuse;

        // Removes members until what remains is closed: each removal can leave others without a path they need.
        private void RejectUnclosed()
        {
            var suppliers = new Dictionary<StorePathName, int>();
            for (int i = 0; i < members.Count; i++)
            {
                if (_rejections[i] is null)
                {
                    foreach (PlannedPath path in members[i].Paths)
                        suppliers[path.Path] = suppliers.GetValueOrDefault(path.Path) + 1;
                }
            }

            bool removed;
            do
            {
                removed = false;
                for (int i = 0; i < members.Count; i++)
                {
                    if (_rejections[i] is not null || Missing(members[i], suppliers) is not { } missing)
                        continue;
                    _rejections[i] = missing;
                    _lostTo[i] = null;
                    foreach (PlannedPath path in members[i].Paths)
                        suppliers[path.Path]--;
                    removed = true;
                }
            }
            while (removed);
        }

        private Rejection? Missing(PlannedMember member, Dictionary<StorePathName, int> suppliers)
        {
            foreach (PlannedPath path in member.Paths)
            {
                foreach (StorePathName reference in path.References)
                {
                    if (!IsThere(reference))
                        return MissingReference(reference, $"{path.Path} refers to {reference}");
                }
            }

            return member.ProfileTarget is { } target && !IsThere(target) ? MissingReference(target, $"The profile is to lead to {target}") : null;

            bool IsThere(StorePathName path) => suppliers.GetValueOrDefault(path) > 0 || Committed(path) is not null;
        }

        // One at a time: with each that falls, others may lose what they need, and then nobody conflicts with those.
        private bool RejectFirstConflict()
        {
            var taken = new Dictionary<StorePathName, (PlannedPath Path, int Member)>();
            for (int i = 0; i < members.Count; i++)
            {
                if (_rejections[i] is not null)
                    continue;
                foreach (PlannedPath path in members[i].Paths)
                {
                    if (Committed(path.Path) is not null || taken.TryAdd(path.Path, (path, i)))
                        continue;
                    (PlannedPath first, int owner) = taken[path.Path];
                    if (first.NarHash == path.NarHash || !Insists(members[i], path))
                        continue;
                    _rejections[i] = Conflict(path, first.NarHash, $"comes with transaction {members[owner].Transaction}");
                    _lostTo[i] = owner;
                    return true;
                }
            }

            return false;
        }

        // Who gave way to a member that then fell for lack of a path has nobody against it any more: that member is out for good, and all
        // others are decided anew. Each time one more is out, so this ends.
        private bool SomeoneLostToARejected()
        {
            bool found = false;
            for (int i = 0; i < members.Count; i++)
            {
                if (_lostTo[i] is { } winner && _rejections[winner] is not null && _lostTo[winner] is null)
                    found = _final[winner] = true;
            }

            for (int i = 0; found && i < members.Count; i++)
            {
                if (_final[i])
                    continue;
                _rejections[i] = null;
                _lostTo[i] = null;
            }

            return found;
        }

        private MemberPlan[] Assign()
        {
            var added = new Dictionary<StorePathName, NarHash>();
            var plans = new MemberPlan[members.Count];
            for (int i = 0; i < members.Count; i++)
            {
                var fresh = new List<StorePathName>();
                var kept = new List<StorePathName>();
                int present = 0;
                if (_rejections[i] is null)
                {
                    foreach (PlannedPath path in members[i].Paths)
                    {
                        NarHash? there = Committed(path.Path) ?? (added.TryGetValue(path.Path, out NarHash first) ? first : null);
                        if (there is null)
                        {
                            added.Add(path.Path, path.NarHash);
                            fresh.Add(path.Path);
                        }
                        else if (there == path.NarHash)
                        {
                            present++;
                        }
                        else
                        {
                            kept.Add(path.Path);
                        }
                    }
                }

                plans[i] = new MemberPlan(_rejections[i], fresh, present, kept);
            }

            return plans;
        }

        private static Rejection MissingReference(StorePathName missing, string sentence) => new(
            RejectionCodes.MissingReference,
            missing.Value,
            $"{sentence}, which the repository does not have and no transaction brings with it.",
            "Publish the closure, or the missing path first.");

        private static Rejection Conflict(PlannedPath path, NarHash there, string how) => new(
            RejectionCodes.StorePathConflict,
            path.Path.Value,
            $"{path.Path} {how} with NAR hash {there}; this transaction has {path.NarHash}. A committed path never changes.",
            path.IsContentAddressed
                ? "A content-addressed path has one content: verify the path on the builder."
                : "Publish with conflict policy keep to use the content that is there, or build a path with another name.");
    }
}
