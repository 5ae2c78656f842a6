using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Replicas;

/// <summary>JSON shapes of what a node says of replicas.</summary>
internal static class ReplicaViews
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
        Time(r.LastSeenAt),
        r.LagEvents,
        r.MissingObjects,
        r.RootHash,
        Time(r.RegisteredAt),
        Text(r.Problem),
        r.Scrub is { } s ? new ScrubJson(s.Running, s.Objects, s.Bytes, s.Damaged, s.Repaired, Time(s.StartedAt) ?? "", Time(s.FinishedAt), Text(s.Problem)) : null,
        Text(r.Trouble) is { } trouble ? new TroubleJson(trouble, Time(r.TroubleAt) ?? "") : null);

    private static string? Time(long milliseconds) => milliseconds == 0 ? null : Terminal.Time(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));

    private static string? Text(string text) => text.Length == 0 ? null : text;
}
