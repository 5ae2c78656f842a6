using CvmfsNix.Cluster.Actors.Journal;

namespace CvmfsNix.Cluster.Actors.Forming;

/// <summary>Times of membership, by the database's clock and a monotonic one.</summary>
/// <param name="BeatEvery">How often a member gives a sign of life.</param>
/// <param name="AliveWithin">A member silent for longer may be dead.</param>
/// <param name="WatchFor">How long the table must have been watched without a sign of life before such members are given up.</param>
internal sealed record FormingTimes(TimeSpan BeatEvery, TimeSpan AliveWithin, TimeSpan WatchFor)
{
    /// <summary>
    /// A database that was away silences everybody at once: those who come back speak within one beat, so three are watched.
    /// </summary>
    public static readonly FormingTimes Default = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(3));
}

/// <summary>What a node does that belongs to no cluster yet.</summary>
internal abstract record FormingStep
{
    private FormingStep()
    {
    }

    /// <summary>Tries to become the founder.</summary>
    public sealed record Found : FormingStep;

    /// <summary>Asks these members to let it in, and looks again.</summary>
    public sealed record Join(IReadOnlyList<string> Members, string Why) : FormingStep;
}

/// <summary>When a node founds a cluster and when it only joins. Pure.</summary>
internal static class FormingRule
{
    /// <param name="record">What the database says now.</param>
    /// <param name="self">Own remoting address.</param>
    /// <param name="watched">For how long the database has been read without a gap.</param>
    /// <param name="times">The times.</param>
    public static FormingStep Next(ClusterRecord record, string self, TimeSpan watched, FormingTimes times)
    {
        var others = record.Members.Where(m => m.Address != self).OrderBy(m => m.SilentFor).ToList();
        // Who left or was restarted took its own row away: an empty table says that nobody is a member, and that at once.
        if (others.Count == 0)
            return new FormingStep.Found();
        var addresses = others.Select(m => m.Address).ToList();
        var living = others.Where(m => m.SilentFor <= times.AliveWithin).ToList();
        if (living.Count > 0)
            return new FormingStep.Join(addresses, $"the cluster lives on {string.Join(", ", living.Select(m => m.Address))}; this node founds no second one and waits until it is let in");
        if (watched < times.WatchFor)
            return new FormingStep.Join(addresses, $"the last members ({string.Join(", ", addresses)}) are silent for {others[0].SilentFor.TotalSeconds:0} s; whether they are gone is being watched");
        return new FormingStep.Found();
    }
}
