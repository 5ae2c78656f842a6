using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>Puts paths after everything they refer to.</summary>
public static class ReferenceOrder
{
    /// <summary>
    /// References first; among paths that could come next, the ordinally smallest base name. References to paths that are
    /// not given, and of a path to itself, do not count.
    /// </summary>
    /// <exception cref="PathInfoSourceException">Paths refer to each other in a circle.</exception>
    public static IReadOnlyList<PathInfo> Sort(IEnumerable<PathInfo> infos)
    {
        Dictionary<StorePathName, PathInfo> byPath = infos.ToDictionary(static info => info.Path);
        Dictionary<StorePathName, int> waitingFor = new(byPath.Count);
        Dictionary<StorePathName, List<StorePathName>> referrers = new(byPath.Count);
        PriorityQueue<PathInfo, StorePathName> ready = new();
        foreach (PathInfo info in byPath.Values)
        {
            int count = 0;
            foreach (StorePathName reference in info.References)
            {
                if (reference == info.Path || !byPath.ContainsKey(reference))
                    continue;
                if (!referrers.TryGetValue(reference, out List<StorePathName>? list))
                    referrers.Add(reference, list = []);
                list.Add(info.Path);
                count++;
            }

            waitingFor.Add(info.Path, count);
            if (count == 0)
                ready.Enqueue(info, info.Path);
        }

        List<PathInfo> sorted = new(byPath.Count);
        while (ready.TryDequeue(out PathInfo? next, out _))
        {
            sorted.Add(next);
            foreach (StorePathName referrer in referrers.GetValueOrDefault(next.Path) ?? [])
            {
                if (--waitingFor[referrer] == 0)
                    ready.Enqueue(byPath[referrer], referrer);
            }
        }

        if (sorted.Count == byPath.Count)
            return sorted;
        StorePathName example = waitingFor.Where(static pair => pair.Value > 0).Min(static pair => pair.Key);
        throw new PathInfoSourceException(
            $"{byPath.Count - sorted.Count} paths refer to each other in a circle or depend on one, {example} among them. Nix never makes such paths: the registration is damaged.");
    }
}
