using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>
/// Which replicas have to serve a revision before a wait is over: <c>replicas=N</c> (any N), <c>all</c> (everyone registered and not paused; with
/// none there is nothing to wait for), <c>site:NAME</c> (all of these in one site, at least one).
/// </summary>
public sealed record ReplicaCondition
{
    private const string CountPrefix = "replicas=";
    private const string SitePrefix = "site:";

    private ReplicaCondition(int? count, string? site) => (Count, Site) = (count, site);

    /// <summary>Everyone.</summary>
    public static ReplicaCondition All { get; } = new(null, null);

    /// <summary>How many; null = all.</summary>
    public int? Count { get; }

    /// <summary>Of which site; null = of any.</summary>
    public string? Site { get; }

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ReplicaCondition? condition)
    {
        condition = null;
        if (text is null)
            return false;
        if (text == "all")
            condition = All;
        else if (text.StartsWith(CountPrefix, StringComparison.Ordinal) && int.TryParse(text.AsSpan(CountPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int count))
            condition = new ReplicaCondition(count, null);
        else if (text.StartsWith(SitePrefix, StringComparison.Ordinal) && ReplicaId.IsName(text[SitePrefix.Length..]))
            condition = new ReplicaCondition(null, text[SitePrefix.Length..]);
        return condition is not null;
    }

    /// <summary>Whether the condition holds for a revision.</summary>
    /// <param name="revision">That is to be served.</param>
    /// <param name="replicas">All replicas of the repository.</param>
    public ReplicaWait Judge(ulong revision, IEnumerable<ReplicaSummary> replicas)
    {
        ArgumentNullException.ThrowIfNull(replicas);
        var asked = replicas
            .Where(r => r.Registered && (Site is null || r.Site == Site))
            .OrderBy(r => r.Key.Replica.Value, StringComparer.Ordinal)
            .ToList();
        List<ReplicaSummary> serving = [.. asked.Where(r => r.Position.Revision >= revision)];
        List<ReplicaSummary> behind = [.. asked.Where(r => !r.Paused && r.Position.Revision < revision)];
        bool reached = Count is { } count ? serving.Count >= count : behind.Count == 0 && (Site is null || serving.Count > 0);
        return new ReplicaWait(reached, serving, behind);
    }

    public override string ToString() => Count is { } count ? $"{CountPrefix}{count.ToString(CultureInfo.InvariantCulture)}" : Site is null ? "all" : SitePrefix + Site;
}

/// <summary>How a wait stands.</summary>
/// <param name="Reached">The condition holds.</param>
/// <param name="Serving">Who serves the revision or a later one, by name.</param>
/// <param name="Behind">Who of those asked for does not, by name; paused ones are not asked for.</param>
public sealed record ReplicaWait(bool Reached, IReadOnlyList<ReplicaSummary> Serving, IReadOnlyList<ReplicaSummary> Behind)
{
    public bool Equals(ReplicaWait? other) =>
        other is not null && Reached == other.Reached && Serving.SequenceEqual(other.Serving) && Behind.SequenceEqual(other.Behind);

    public override int GetHashCode() => HashCode.Combine(Reached, Serving.Count, Behind.Count);
}
