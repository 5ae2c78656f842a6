using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// Leaves out what comes from caches everybody has already, told by their signatures. A repository is closed under references: what a
/// path that stays refers to stays, too, whoever signed it.
/// </summary>
/// <param name="keys">Public keys of those caches.</param>
internal sealed class UpstreamFilter(IReadOnlyList<NixPublicKey> keys)
{
    /// <summary>Splits paths into those to publish, in the order given, and those to leave out.</summary>
    /// <param name="directory">The store's directory.</param>
    /// <param name="infos">Paths with their signatures.</param>
    /// <param name="always">A path that stays whoever signed it, such as a profile's; null = none.</param>
    public (IReadOnlyList<PathInfo> Publish, IReadOnlyList<PathInfo> Upstream) Split(
        StoreDirectory directory, IReadOnlyList<PathInfo> infos, StorePathName? always)
    {
        Dictionary<StorePathName, PathInfo> byPath = infos.ToDictionary(static info => info.Path);
        HashSet<StorePathName> needed = [];
        Stack<PathInfo> open = new(infos.Where(info => info.Path == always || !IsUpstream(directory, info)));
        while (open.TryPop(out PathInfo? next))
        {
            if (!needed.Add(next.Path))
                continue;
            foreach (StorePathName reference in next.References)
            {
                if (byPath.TryGetValue(reference, out PathInfo? info))
                    open.Push(info);
            }
        }

        return ([.. infos.Where(info => needed.Contains(info.Path))], [.. infos.Where(info => !needed.Contains(info.Path))]);
    }

    private bool IsUpstream(StoreDirectory directory, PathInfo info)
    {
        if (info.Signatures.Count == 0)
            return false;
        string fingerprint = Fingerprint.Of(directory, info);
        return info.Signatures.Any(signature => keys.Any(key => key.Verify(fingerprint, signature)));
    }
}
