namespace CvmfsNix.Cluster.Model.Replicas;

/// <summary>A replica as the cluster knows it at a moment.</summary>
/// <param name="Key">Repository and mirror.</param>
/// <param name="Registered">False: not known, or removed.</param>
/// <param name="Site">Its datacenter.</param>
/// <param name="DataUrl">How siblings reach its data port; empty = they cannot, or it is not connected.</param>
/// <param name="Paused">It takes nothing new.</param>
/// <param name="Connected">A stream of it is open.</param>
/// <param name="RegisteredAt">When it was registered.</param>
/// <param name="LastSeenAt">When it last gave a sign of life.</param>
/// <param name="Position">How far it is.</param>
/// <param name="Scrub">Its last scrub; null = none since the cluster knows it.</param>
public sealed record ReplicaSummary(
    ReplicaKey Key,
    bool Registered,
    string Site,
    string DataUrl,
    bool Paused,
    bool Connected,
    DateTimeOffset RegisteredAt,
    DateTimeOffset LastSeenAt,
    ReplicaPosition Position,
    ScrubState? Scrub)
{
    /// <summary>Without a sign of life for this long it counts as unreachable, whatever was said before.</summary>
    public static readonly TimeSpan SilenceMax = TimeSpan.FromSeconds(15);

    /// <summary>Whether it can be expected to get on.</summary>
    public bool IsReachable(DateTimeOffset now) => Connected && now - LastSeenAt < SilenceMax;
}
