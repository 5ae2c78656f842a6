using System.Globalization;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>
/// Decides what of a repository may go. Pure: a function of its arguments. Whatever is in doubt stays; a path that stays keeps everything it needs.
/// </summary>
public static class RetentionPlanner
{
    private const int Nobody = -1;

    /// <summary>The decision at a time.</summary>
    /// <param name="paths">All paths of the newest revision, none twice.</param>
    /// <param name="roots">What is to be kept.</param>
    /// <param name="now">The time.</param>
    public static RetentionPlan Plan(IReadOnlyList<PathFacts> paths, RetentionRoots roots, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(roots);
        var graph = new Graph(paths);
        var reasons = new KeepReason?[paths.Count];
        foreach (var (number, reason) in Roots(graph, roots, now))
            Keep(graph, reasons, number, reason);

        var order = ReferrersFirst(graph, n => reasons[n] is null);
        // Who needs himself by way of others has no place in the order.
        var ordered = order.ToHashSet();
        for (int n = 0; n < paths.Count; n++)
        {
            if (reasons[n] is null && !ordered.Contains(n))
                Keep(graph, reasons, n, new KeepReason(KeepKind.Circle, paths[n].Path.Value));
        }

        var kept = new Dictionary<StorePathName, KeepReason>();
        for (int n = 0; n < paths.Count; n++)
        {
            if (reasons[n] is { } reason)
                kept.Add(paths[n].Path, reason);
        }

        return new RetentionPlan(kept, [.. order.Where(n => reasons[n] is null).Select(n => paths[n].Path)]);
    }

    /// <summary>A path and everything that needs it, directly or not; who needs a path comes before it. Empty when the path is not there.</summary>
    public static IReadOnlyList<StorePathName> WithDependents(IReadOnlyList<PathFacts> paths, StorePathName path)
    {
        var graph = new Graph(paths);
        if (graph.Find(path) is not { } start)
            return [];
        var found = new HashSet<int> { start };
        var open = new Queue<int>([start]);
        while (open.TryDequeue(out int n))
        {
            foreach (int referrer in graph.Referrers(n).Where(found.Add))
                open.Enqueue(referrer);
        }

        var order = ReferrersFirst(graph, found.Contains);
        // All of them have to go, so one that is part of a circle goes with the rest.
        return [.. order.Concat(found.Except(order).Order()).Select(n => paths[n].Path)];
    }

    /// <summary>Generations of profiles that are not among the newest ones.</summary>
    /// <param name="generations">All generations.</param>
    /// <param name="kept">How many of each profile are kept.</param>
    public static IReadOnlyList<ProfileGenerationRecord> OldGenerations(IReadOnlyList<ProfileGenerationRecord> generations, int kept) =>
        [.. generations.GroupBy(g => g.Name, StringComparer.Ordinal).SelectMany(g => g.OrderByDescending(r => r.Generation).Skip(Math.Max(1, kept)))];

    private static IEnumerable<(int Number, KeepReason Reason)> Roots(Graph graph, RetentionRoots roots, DateTimeOffset now)
    {
        if (!roots.Rules.Enabled)
        {
            for (int n = 0; n < graph.Count; n++)
                yield return (n, new KeepReason(KeepKind.Recent, "no rules are set"));
            yield break;
        }

        foreach (var g in roots.Generations.Except(OldGenerations(roots.Generations, roots.Rules.ProfileGenerations)))
        {
            if (graph.Find(g.Target) is { } target)
                yield return (target, new KeepReason(KeepKind.Profile, string.Create(CultureInfo.InvariantCulture, $"{g.Name}-{g.Generation}")));
        }

        foreach (var pin in roots.Pins.Where(p => p.Until > now))
        {
            if (graph.Find(pin.Path) is { } pinned)
                yield return (pinned, new KeepReason(KeepKind.Pin, $"{pin.Until:u}"));
        }

        var newest = roots.Tags.OrderByDescending(t => t.Revision).FirstOrDefault();
        for (int n = 0; n < graph.Count; n++)
        {
            var facts = graph.Facts(n);
            if (newest is not null && facts.Revision <= newest.Revision)
                yield return (n, new KeepReason(KeepKind.Tag, newest.Name));
            else if (facts.PublishedAt >= now - roots.Rules.KeepRecent)
                yield return (n, new KeepReason(KeepKind.Recent, facts.PublishedAt == DateTimeOffset.MaxValue ? "at a time that is not known" : $"{facts.PublishedAt:u}"));
        }
    }

    private static void Keep(Graph graph, KeepReason?[] reasons, int root, KeepReason reason)
    {
        if (reasons[root] is { Kind: not KeepKind.Reference })
            return;
        bool known = reasons[root] is not null;
        reasons[root] = reason;
        if (known)
            return;
        var open = new Queue<int>([root]);
        while (open.TryDequeue(out int n))
        {
            foreach (int needed in graph.References(n))
            {
                if (reasons[needed] is not null)
                    continue;
                reasons[needed] = new KeepReason(KeepKind.Reference, graph.Facts(n).Path.Value);
                open.Enqueue(needed);
            }
        }
    }

    private static List<int> ReferrersFirst(Graph graph, Func<int, bool> among)
    {
        var waiting = new int[graph.Count];
        Array.Fill(waiting, Nobody);
        var free = new Queue<int>();
        for (int n = 0; n < graph.Count; n++)
        {
            if (!among(n))
                continue;
            waiting[n] = graph.Referrers(n).Count(r => r != n && among(r));
            if (waiting[n] == 0)
                free.Enqueue(n);
        }

        var order = new List<int>();
        while (free.TryDequeue(out int n))
        {
            order.Add(n);
            foreach (int needed in graph.References(n))
            {
                if (needed != n && waiting[needed] > 0 && --waiting[needed] == 0)
                    free.Enqueue(needed);
            }
        }

        return order;
    }

    // Numbers instead of names: a repository has very many paths, and each is named by many others.
    private sealed class Graph
    {
        private readonly IReadOnlyList<PathFacts> _paths;
        private readonly Dictionary<StorePathName, int> _numbers;
        private readonly int[][] _references;
        private readonly List<int>?[] _referrers;

        public Graph(IReadOnlyList<PathFacts> paths)
        {
            ArgumentNullException.ThrowIfNull(paths);
            _paths = paths;
            _numbers = new Dictionary<StorePathName, int>(paths.Count);
            for (int n = 0; n < paths.Count; n++)
                _numbers.Add(paths[n].Path, n);
            _references = new int[paths.Count][];
            _referrers = new List<int>?[paths.Count];
            for (int n = 0; n < paths.Count; n++)
            {
                _references[n] = [.. paths[n].References.Where(_numbers.ContainsKey).Select(r => _numbers[r]).Distinct()];
                foreach (int needed in _references[n])
                    (_referrers[needed] ??= []).Add(n);
            }
        }

        public int Count => _paths.Count;

        private static List<int> None { get; } = [];

        public PathFacts Facts(int number) => _paths[number];

        public int? Find(StorePathName path) => _numbers.TryGetValue(path, out int number) ? number : null;

        public int[] References(int number) => _references[number];

        public List<int> Referrers(int number) => _referrers[number] ?? None;
    }
}
