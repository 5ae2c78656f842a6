using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>What leads from the newest revision back to what an earlier one had.</summary>
/// <param name="Returning">Paths that it had and that are not there now, ascending.</param>
/// <param name="Leaving">Paths that came later and that no path which stays needs, ascending.</param>
/// <param name="Profiles">Profiles whose target of then has to be set anew: none of their generations of then leads there any more.</param>
/// <param name="Dropped">Generations of profiles that came later.</param>
public sealed record RollbackPlan(
    IReadOnlyList<StorePathName> Returning,
    IReadOnlyList<StorePathName> Leaving,
    IReadOnlyList<ProfileTarget> Profiles,
    IReadOnlyList<ProfileGenerationRecord> Dropped)
{
    /// <summary>There is nothing to do.</summary>
    public bool IsEmpty => Returning.Count == 0 && Leaving.Count == 0 && Profiles.Count == 0 && Dropped.Count == 0;
}

/// <summary>Where a profile is to lead.</summary>
/// <param name="Profile">Its name.</param>
/// <param name="Target">The store path.</param>
public sealed record ProfileTarget(string Profile, StorePathName Target);

/// <summary>What a revision did to paths.</summary>
/// <param name="Added">Paths that came.</param>
/// <param name="Removed">Paths that went.</param>
/// <param name="Profiles">Generations of profiles that came.</param>
/// <param name="Dropped">Generations of profiles that went.</param>
public sealed record RevisionChange(
    IReadOnlyList<StorePathName> Added,
    IReadOnlyList<StorePathName> Removed,
    IReadOnlyList<ProfileGenerationRecord> Profiles,
    IReadOnlyList<ProfileGenerationRecord> Dropped);

/// <summary>Makes a <see cref="RollbackPlan"/>. Pure: a function of its arguments.</summary>
public static class RollbackPlanner
{
    /// <summary>The way back.</summary>
    /// <param name="since">What the revisions after the wanted one did, oldest first.</param>
    /// <param name="present">All paths of the newest revision, with what they need.</param>
    /// <param name="generations">All generations of profiles of the newest revision.</param>
    public static RollbackPlan Plan(IEnumerable<RevisionChange> since, IReadOnlyList<PathFacts> present, IReadOnlyCollection<ProfileGenerationRecord> generations)
    {
        ArgumentNullException.ThrowIfNull(since);
        ArgumentNullException.ThrowIfNull(present);
        ArgumentNullException.ThrowIfNull(generations);
        // The first thing that happened to a path since tells whether it was there.
        var was = new Dictionary<StorePathName, bool>();
        var changes = new List<RevisionChange>();
        foreach (var change in since)
        {
            changes.Add(change);
            foreach (var path in change.Added)
                was.TryAdd(path, false);
            foreach (var path in change.Removed)
                was.TryAdd(path, true);
        }

        var there = present.Select(p => p.Path).ToHashSet();
        var leaving = there.Where(p => was.TryGetValue(p, out bool wasThere) && !wasThere).ToHashSet();
        KeepNeeded(present, leaving);
        var (profiles, dropped) = Profiles(changes, generations);
        return new RollbackPlan([.. was.Where(w => w.Value && !there.Contains(w.Key)).Select(w => w.Key).Order()], [.. leaving.Order()], profiles, dropped);
    }

    // A path that was removed and published again with other content may need others than it did then.
    private static void KeepNeeded(IReadOnlyList<PathFacts> present, HashSet<StorePathName> leaving)
    {
        for (bool changed = leaving.Count > 0; changed;)
        {
            changed = false;
            foreach (var path in present)
            {
                if (leaving.Contains(path.Path))
                    continue;
                foreach (var reference in path.References)
                    changed |= leaving.Remove(reference);
            }
        }
    }

    private static (IReadOnlyList<ProfileTarget> Set, IReadOnlyList<ProfileGenerationRecord> Dropped) Profiles(
        List<RevisionChange> changes, IReadOnlyCollection<ProfileGenerationRecord> generations)
    {
        var then = generations.ToHashSet();
        foreach (var change in Enumerable.Reverse(changes))
        {
            then.ExceptWith(change.Profiles);
            then.UnionWith(change.Dropped);
        }

        var set = new List<ProfileTarget>();
        var dropped = new List<ProfileGenerationRecord>();
        foreach (var profile in generations.Concat(then).Select(g => g.Name).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            var now = generations.Where(g => g.Name == profile).ToList();
            var later = now.Where(g => !then.Contains(g));
            // A profile is always at its newest generation.
            if (then.Where(g => g.Name == profile).MaxBy(g => g.Generation) is { } wanted && now.Where(then.Contains).MaxBy(g => g.Generation)?.Target != wanted.Target)
            {
                var current = now.MaxBy(g => g.Generation);
                if (current?.Target == wanted.Target)
                    later = later.Where(g => g != current);
                else
                    set.Add(new ProfileTarget(profile, wanted.Target));
            }

            dropped.AddRange(later);
        }

        return (set, dropped);
    }
}
