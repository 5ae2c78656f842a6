using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Transactions;

/// <summary>JSON shapes of what a node says of replicas.</summary>
internal static class Replicas
{
    public static IReadOnlyList<ReplicaRevisionJson> Revisions(WaitReply reply) =>
        [.. reply.Replicas.Select(r => new ReplicaRevisionJson(r.Replica, r.Site, r.Revision))];

    public static ReplicaJson ToJson(ReplicaState r) => new(
        r.Repository,
        r.Replica,
        r.Site,
        r.State,
        r.Revision,
        r.LagRevisions,
        r.LagBytes,
        r.LagSeconds,
        r.LastSeenAt == 0 ? null : Terminal.Time(DateTimeOffset.FromUnixTimeMilliseconds(r.LastSeenAt)));
}
