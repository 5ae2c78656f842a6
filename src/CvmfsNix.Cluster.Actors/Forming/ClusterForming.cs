using System.Diagnostics;
using Akka.Actor;
using Akka.Cluster;
using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Forming;

/// <summary>
/// Brings an actor system into the cluster and keeps saying that it belongs to it. Akka's own seed process is not used: its first seed
/// founds a cluster whenever nobody answers, so a first seed restarted while cut off would found a second one. Here founding is an atomic
/// step in the journal database, which no two nodes take.
/// </summary>
internal sealed class ClusterForming(
    Akka.Cluster.Cluster cluster, IMembershipTable table, IReadOnlyList<string> seeds, FormingTimes times, Action<string> waitsFor, ILogger log)
{
    private static readonly TimeSpan StepEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>Farther apart than this, clocks are reported.</summary>
    private static readonly TimeSpan SkewAlarm = TimeSpan.FromSeconds(5);

    private readonly string _self = cluster.SelfAddress.ToString();
    private string _said = "";
    private bool _skewed;

    /// <summary>The incarnation this node belongs to; 0 before.</summary>
    public long Incarnation { get; private set; }

    /// <summary>Returns once this node is a member that is up.</summary>
    public async Task JoinAsync(CancellationToken ct)
    {
        var everybody = await SeedAddresses.ResolveAsync(seeds, ct).ConfigureAwait(false);
        if (everybody.Count < 3)
            log.LogWarning("This cluster has {Count} core nodes; fewer than three are no high availability: the loss of one stops it", everybody.Count);
        bool cleared = false;
        long watchedSince = 0;
        string[] asked = [];
        while (!IsUp)
        {
            try
            {
                if (!cleared)
                {
                    // Whoever held this address before is gone: this process has its port.
                    await table.RemoveAsync(_self, ct).ConfigureAwait(false);
                    cleared = true;
                }

                var record = await table.LookAsync(ct).ConfigureAwait(false);
                if (watchedSince == 0)
                    watchedSince = Stopwatch.GetTimestamp();
                switch (FormingRule.Next(record, _self, Stopwatch.GetElapsedTime(watchedSince), times))
                {
                    case FormingStep.Found when await table.TryFoundAsync(record.Incarnation, _self, times.AliveWithin, ct).ConfigureAwait(false) is { } founded:
                        log.LogInformation("No member is alive: this node founds the cluster, incarnation {Incarnation}", founded);
                        Incarnation = founded;
                        await FoundAsync(ct).ConfigureAwait(false);
                        return;
                    case FormingStep.Join join:
                        Incarnation = record.Incarnation;
                        Say(join.Why);
                        string[] wanted = [.. join.Members.Concat(everybody).Where(a => a != _self).Distinct()];
                        if (!wanted.SequenceEqual(asked))
                            cluster.JoinSeedNodes([.. wanted.Select(Address.Parse)]);
                        asked = wanted;
                        break;
                }
            }
            catch (JournalUnavailableException e)
            {
                // Without the database nobody knows whether there is a cluster; without it there is nothing to do in one either.
                Say(e.Message);
                watchedSince = 0;
            }

            await Task.Delay(StepEvery, ct).ConfigureAwait(false);
        }

        log.LogInformation("Joined the cluster, incarnation {Incarnation}, with {Members} members", Incarnation, cluster.State.Members.Count);
    }

    /// <summary>Gives signs of life until cancelled.</summary>
    /// <returns>Why this node cannot belong to its cluster any longer; it returns only then.</returns>
    public async Task<string> BeatAsync(CancellationToken ct)
    {
        bool failing = false;
        var split = new SplitWatch(_self, times);
        using var timer = new PeriodicTimer(times.BeatEvery);
        do
        {
            try
            {
                var sent = DateTimeOffset.UtcNow;
                if (await table.BeatAsync(Incarnation, _self, ct).ConfigureAwait(false) is not { } now)
                    return $"the cluster was founded anew while this node (of incarnation {Incarnation}) gave no sign of life";
                WatchSkew(sent, now);
                var record = await table.LookAsync(ct).ConfigureAwait(false);
                var members = cluster.State.Members.Select(m => m.Address.ToString()).ToHashSet(StringComparer.Ordinal);
                if (split.Look(record, members, Stopwatch.GetElapsedTime(0)) is { } apart)
                    return apart;
                failing = false;
            }
            catch (JournalUnavailableException e)
            {
                split.Forget();
                if (!failing)
                    log.LogWarning("{Problem} It is tried again", e.Message);
                failing = true;
            }
        }
        while (await timer.WaitForNextTickAsync(ct).ConfigureAwait(false));
        throw new UnreachableException();
    }

    /// <summary>This node is no member any more; nobody has to wait for it.</summary>
    public async Task LeftAsync(CancellationToken ct)
    {
        try
        {
            await table.RemoveAsync(_self, ct).ConfigureAwait(false);
        }
        catch (JournalUnavailableException)
        {
            // Its silence will say the same, a little later.
        }
    }

    private bool IsUp => cluster.SelfMember.Status == MemberStatus.Up;

    private async Task FoundAsync(CancellationToken ct)
    {
        cluster.Join(cluster.SelfAddress);
        while (!IsUp)
            await Task.Delay(10, ct).ConfigureAwait(false);
    }

    private void WatchSkew(DateTimeOffset sent, DateTimeOffset databaseNow)
    {
        var skew = sent - databaseNow;
        bool skewed = skew.Duration() > SkewAlarm;
        if (skewed && !_skewed)
            log.LogError("The clock of this node is {Skew:0.0} s off the journal database's; correct it: times of publishes come from the leader's clock", skew.TotalSeconds);
        _skewed = skewed;
    }

    private void Say(string why)
    {
        waitsFor(why);
        // The figures change with every look; the situation does not.
        string situation = new([.. why.Where(c => !char.IsAsciiDigit(c))]);
        if (situation != _said)
            log.LogInformation("Not in a cluster yet: {Why}", why);
        _said = situation;
    }
}
