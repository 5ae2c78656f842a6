using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Replicas;
using ReplicaState = CvmfsNix.Cluster.Contracts.Publishing.ReplicaState;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>From the core's view of a replica to what commands read.</summary>
public static class ReplicaMessages
{
    /// <summary>A replica.</summary>
    public static ReplicaState ToMessage(ReplicaView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        ReplicaSummary r = view.Replica;
        return new ReplicaState
        {
            Repository = r.Key.Repository.Value,
            Replica = r.Key.Replica.Value,
            Site = r.Site,
            State = NameOf(view.Standing),
            Revision = r.Position.Revision,
            RootHash = r.Position.RootHash,
            LagRevisions = view.LagRevisions,
            LagBytes = view.LagBytes,
            LagSeconds = view.LagTime.TotalSeconds,
            LagEvents = view.LagEvents,
            MissingObjects = r.Position.MissingObjects,
            Problem = r.Position.Problem,
            Trouble = r.Position.Trouble,
            TroubleAt = r.Position.TroubleAt.ToUnixTimeMilliseconds(),
            LastSeenAt = r.LastSeenAt.ToUnixTimeMilliseconds(),
            RegisteredAt = r.RegisteredAt.ToUnixTimeMilliseconds(),
            Scrub = r.Scrub is { } scrub ? ToMessage(scrub) : null,
        };
    }

    /// <summary>The name of a state in the contract.</summary>
    public static string NameOf(ReplicaStanding standing) => standing switch
    {
        ReplicaStanding.Following => "following",
        ReplicaStanding.CatchingUp => "catching-up",
        ReplicaStanding.Paused => "paused",
        _ => "unreachable",
    };

    private static ReplicaScrub ToMessage(ScrubState s) => new()
    {
        Running = s.Running,
        Objects = s.Objects,
        Bytes = s.Bytes,
        Damaged = s.Damaged,
        Repaired = s.Repaired,
        StartedAt = s.StartedAt.ToUnixTimeMilliseconds(),
        FinishedAt = s.FinishedAt?.ToUnixTimeMilliseconds() ?? 0,
        Problem = s.Problem,
    };
}
