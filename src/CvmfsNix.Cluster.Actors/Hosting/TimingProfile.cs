namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>Cluster timings as the settings spell them.</summary>
/// <param name="Tick">Gossip and what follows from it.</param>
/// <param name="Heartbeat">Between two signs of life of neighbours.</param>
/// <param name="HeartbeatPause">Silence that is nothing unusual.</param>
/// <param name="StableAfter">How long the picture must be the same before the majority puts the others out.</param>
/// <param name="DownAllWhenUnstable">How long it may keep changing.</param>
/// <param name="DownRemovalMargin">
/// Between putting out and taking over: the time the others have to notice. Only a courtesy: two leaders that overlap are told apart by the
/// journal's unique key, and a builder waits through this pause whenever a leader is lost.
/// </param>
/// <param name="SeedNodeTimeout">Between two attempts to be let in.</param>
/// <param name="HandOverRetry">Between two attempts to take the leadership over.</param>
internal sealed record TimingProfile(
    string Tick, string Heartbeat, string HeartbeatPause, string StableAfter, string DownAllWhenUnstable, string DownRemovalMargin, string SeedNodeTimeout, string HandOverRetry)
{
    /// <summary>A measured set: four busy loops on two cores make no node suspect another, and a lost leader is replaced in about four seconds.</summary>
    private static readonly TimingProfile Lan = new("200ms", "200ms", "1s", "1s", "4s", "500ms", "1s", "200ms");

    /// <summary>A burst of lost packets on a long line lasts for a retransmission or two; a false alarm costs more than some seconds.</summary>
    private static readonly TimingProfile Wan = new("500ms", "1s", "4s", "4s", "12s", "3s", "3s", "500ms");

    public static TimingProfile Of(ClusterTiming timing) => timing == ClusterTiming.Wan ? Wan : Lan;
}
