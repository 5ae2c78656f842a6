using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.Model.Copies;

/// <summary>
/// When an object is durable: confirmed by <paramref name="Copies"/> stores of the current store set, and, where that set has several sites, in
/// at least two of them. A confirmation by a store that is not in the set counts for nothing: it may be gone with its disk.
/// </summary>
/// <param name="Copies">W, at least 1. Never lowered, however few stores there are.</param>
public sealed record CopyRules(int Copies)
{
    private const int SitesMin = 2;

    /// <summary>Whether these stores have confirmed enough.</summary>
    /// <param name="confirmed">Ids of stores.</param>
    /// <param name="stores">The current store set.</param>
    public bool AreEnough(IReadOnlyCollection<string> confirmed, IReadOnlyCollection<StoreMember> stores)
    {
        ArgumentNullException.ThrowIfNull(confirmed);
        ArgumentNullException.ThrowIfNull(stores);
        StoreMember[] counted = [.. stores.Where(s => confirmed.Contains(s.Id)).DistinctBy(s => s.Id)];
        return counted.Length >= Copies && Sites(counted) >= Math.Min(SitesMin, Math.Min(Copies, Sites(stores)));
    }

    /// <summary>
    /// The stores to ask for a copy, best first: one of a site that has none as long as a second site is needed, then any. Among equals the
    /// seed decides, so that one transaction's parts go to the same stores and many transactions spread over all.
    /// </summary>
    /// <param name="stores">The current store set.</param>
    /// <param name="confirmed">Ids of stores that have it; they are not named again.</param>
    /// <param name="seed">As a transaction id.</param>
    public static IReadOnlyList<StoreMember> Order(IReadOnlyCollection<StoreMember> stores, IReadOnlyCollection<string> confirmed, string seed)
    {
        ArgumentNullException.ThrowIfNull(stores);
        ArgumentNullException.ThrowIfNull(confirmed);
        var sites = stores.Where(s => confirmed.Contains(s.Id)).Select(s => s.Site).ToHashSet(StringComparer.Ordinal);
        var left = stores.Where(s => !confirmed.Contains(s.Id)).DistinctBy(s => s.Id).OrderBy(s => Rank(seed, s.Id)).ThenBy(s => s.Id, StringComparer.Ordinal).ToList();
        var ordered = new List<StoreMember>(left.Count);
        while (left.Count > 0)
        {
            var next = sites.Count < SitesMin ? left.Find(s => !sites.Contains(s.Site)) ?? left[0] : left[0];
            left.Remove(next);
            sites.Add(next.Site);
            ordered.Add(next);
        }

        return ordered;
    }

    private static int Sites(IEnumerable<StoreMember> stores) => stores.Select(s => s.Site).Distinct(StringComparer.Ordinal).Count();

    private static ulong Rank(string seed, string id) => BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(seed + "/" + id)));
}
