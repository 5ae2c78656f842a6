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
/// <param name="New">Paths to be added from this member, in the member's order; empty when it is rejected.</param>
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

    /// <summary>
    /// Works on numbers: each name that a member brings has one, and what is known of it lies in arrays. A batch may bring very many paths,
    /// and a dictionary of names for each question would cost several times what the paths themselves do.
    /// </summary>
    private sealed class Round
    {
        private const int Nobody = -1;

        private readonly IReadOnlyList<PlannedMember> _members;
        private readonly Func<StorePathName, NarHash?> _committed;
        private readonly Dictionary<StorePathName, int> _numbers;

        // Per member, the number of each of its paths.
        private readonly int[][] _paths;

        // Per number: committed with some content; members that bring it and are not rejected; the member it is taken from, with its path.
        private readonly bool[] _isCommitted;
        private readonly int[] _suppliers;
        private readonly int[] _takenFrom;
        private readonly PlannedPath?[] _taken;

        // Few as a rule: builders leave out what is there.
        private readonly Dictionary<int, NarHash> _committedHashes = [];
        private readonly Dictionary<StorePathName, bool> _others = [];

        private readonly Rejection?[] _rejections;

        // The member that a rejection for a conflict within the batch gives way to.
        private readonly int?[] _lostTo;

        // Rejected whatever becomes of the others.
        private readonly bool[] _final;

        public Round(IReadOnlyList<PlannedMember> members, Func<StorePathName, NarHash?> committed)
        {
            (_members, _committed) = (members, committed);
            _rejections = new Rejection?[members.Count];
            _lostTo = new int?[members.Count];
            _final = new bool[members.Count];
            _numbers = new Dictionary<StorePathName, int>(members.Sum(m => m.Paths.Count));
            _paths = new int[members.Count][];
            for (int i = 0; i < members.Count; i++)
            {
                _paths[i] = new int[members[i].Paths.Count];
                for (int p = 0; p < _paths[i].Length; p++)
                {
                    StorePathName name = members[i].Paths[p].Path;
                    if (!_numbers.TryGetValue(name, out int number))
                        _numbers.Add(name, number = _numbers.Count);
                    _paths[i][p] = number;
                }
            }

            _isCommitted = new bool[_numbers.Count];
            _suppliers = new int[_numbers.Count];
            _takenFrom = new int[_numbers.Count];
            _taken = new PlannedPath?[_numbers.Count];
            foreach ((StorePathName name, int number) in _numbers)
            {
                if (committed(name) is { } hash)
                {
                    _isCommitted[number] = true;
                    _committedHashes.Add(number, hash);
                }
            }
        }

        public MemberPlan[] Decide()
        {
            for (int i = 0; i < _members.Count; i++)
            {
                _rejections[i] = ConflictWithCommitted(i);
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

        private Rejection? ConflictWithCommitted(int member)
        {
            for (int p = 0; p < _paths[member].Length; p++)
            {
                PlannedPath path = _members[member].Paths[p];
                if (_committedHashes.TryGetValue(_paths[member][p], out NarHash there) && there != path.NarHash && Insists(_members[member], path))
                    return Conflict(path, there, "is committed");
            }

            return null;
        }

        private static bool Insists(PlannedMember member, PlannedPath path) => path.IsContentAddressed || member.Conflict == ConflictPolicy.Refuse;

        // Removes members until what remains is closed: each removal can leave others without a path they need.
        private void RejectUnclosed()
        {
            Array.Clear(_suppliers);
            for (int i = 0; i < _members.Count; i++)
            {
                if (_rejections[i] is null)
                {
                    foreach (int number in _paths[i])
                        _suppliers[number]++;
                }
            }

            bool removed;
            do
            {
                removed = false;
                for (int i = 0; i < _members.Count; i++)
                {
                    if (_rejections[i] is not null || Missing(_members[i]) is not { } missing)
                        continue;
                    _rejections[i] = missing;
                    _lostTo[i] = null;
                    foreach (int number in _paths[i])
                        _suppliers[number]--;
                    removed = true;
                }
            }
            while (removed);
        }

        private Rejection? Missing(PlannedMember member)
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
        }

        private bool IsThere(StorePathName path)
        {
            if (_numbers.TryGetValue(path, out int number))
                return _suppliers[number] > 0 || _isCommitted[number];
            if (!_others.TryGetValue(path, out bool there))
                _others.Add(path, there = _committed(path) is not null);
            return there;
        }

        // One at a time: with each that falls, others may lose what they need, and then nobody conflicts with those.
        private bool RejectFirstConflict()
        {
            Array.Fill(_takenFrom, Nobody);
            for (int i = 0; i < _members.Count; i++)
            {
                if (_rejections[i] is not null)
                    continue;
                for (int p = 0; p < _paths[i].Length; p++)
                {
                    int number = _paths[i][p];
                    PlannedPath path = _members[i].Paths[p];
                    if (_isCommitted[number])
                        continue;
                    if (_takenFrom[number] == Nobody)
                    {
                        (_takenFrom[number], _taken[number]) = (i, path);
                        continue;
                    }

                    NarHash first = _taken[number]!.NarHash;
                    if (first == path.NarHash || !Insists(_members[i], path))
                        continue;
                    int owner = _takenFrom[number];
                    _rejections[i] = Conflict(path, first, $"comes with transaction {_members[owner].Transaction}");
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
            for (int i = 0; i < _members.Count; i++)
            {
                if (_lostTo[i] is { } winner && _rejections[winner] is not null && _lostTo[winner] is null)
                    found = _final[winner] = true;
            }

            for (int i = 0; found && i < _members.Count; i++)
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
            Array.Clear(_taken);
            var plans = new MemberPlan[_members.Count];
            for (int i = 0; i < _members.Count; i++)
            {
                var fresh = new List<StorePathName>();
                var kept = new List<StorePathName>();
                int present = 0;
                for (int p = 0; _rejections[i] is null && p < _paths[i].Length; p++)
                {
                    int number = _paths[i][p];
                    PlannedPath path = _members[i].Paths[p];
                    NarHash? there = _isCommitted[number] ? _committedHashes[number] : _taken[number]?.NarHash;
                    if (there is null)
                    {
                        _taken[number] = path;
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
