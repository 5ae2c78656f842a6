using System.Globalization;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Control;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>replica</c>: the mirrors.</summary>
public sealed class ReplicaPalette(ReplicaAdministration replicas, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("replica", "Mirrors that follow",
    [
        new("list", "All replicas, one a line", ListAsync, live.Repository(mandatory: false)),
        new("show", "A replica in full", ShowAsync, live.Replica(), live.Repository(mandatory: false)),
        new("pause", "It takes nothing new, and nobody waits for it", (a, o, ct) => ChangeAsync(a, o, ReplicaAction.ReplicaPause, ct), live.Replica(), live.Repository(mandatory: false)) { Scope = AdminScope.Operate },
        new("resume", "It goes on", (a, o, ct) => ChangeAsync(a, o, ReplicaAction.ReplicaResume, ct), live.Replica(), live.Repository(mandatory: false)) { Scope = AdminScope.Operate },
        new("scrub", "It reads everything it has again and mends what is damaged", (a, o, ct) => ChangeAsync(a, o, ReplicaAction.ReplicaScrub, ct), live.Replica(), live.Repository(mandatory: false),
            new CommandArgument("rate", "Bytes a second (default: its own)", "--rate")) { Scope = AdminScope.Operate },
        new("remove", "Forget it: nothing is kept for it any more", (a, o, ct) => ChangeAsync(a, o, ReplicaAction.ReplicaRemove, ct), live.Replica(), live.Repository(mandatory: false)) { Scope = AdminScope.Admin, Destructive = true },
    ]);

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        var found = await FindAsync(arguments, "", ct);
        foreach (ReplicaState r in found)
            await output.LineAsync(Line(r), Json(r));
        await output.NoteAsync($"Count: {found.Count} replicas");
        return true;
    }

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (ReplicaState r in await FindAsync(arguments, arguments.Required("replica"), ct))
        {
            string scrub = r.Scrub is null ? "none since the cluster knows it"
                : $"{(r.Scrub.Running ? "runs" : "ended")}, {r.Scrub.Objects} objects, {r.Scrub.Damaged} damaged, {r.Scrub.Repaired} repaired{(r.Scrub.Problem.Length > 0 ? $": {r.Scrub.Problem}" : "")}";
            await output.LineAsync(
                string.Join(
                    '\n',
                    $"replica            {r.Replica} of {r.Repository}",
                    $"site               {r.Site}",
                    $"state              {r.State}{(r.Problem.Length > 0 ? $": {r.Problem}" : "")}",
                    $"revision           {r.Revision}, root {r.RootHash}",
                    string.Create(CultureInfo.InvariantCulture, $"behind             {r.LagRevisions} revisions, {r.LagEvents} events, {r.LagBytes} bytes, {r.LagSeconds:0.0} s"),
                    $"last seen          {Shown.Time(DateTimeOffset.FromUnixTimeMilliseconds(r.LastSeenAt))}",
                    $"scrub              {scrub}"),
                Json(r));
        }

        return true;
    }

    private async Task<bool> ChangeAsync(CommandArguments arguments, ICommandOutput output, ReplicaAction action, CancellationToken ct)
    {
        var request = new ChangeReplicaRequest
        {
            Repository = arguments.Text("repo") ?? "", Replica = arguments.Required("replica"), Action = action, BytesPerSecond = arguments.Number("rate", 0),
        };
        foreach (ReplicaState r in (await replicas.ChangeAsync(request, ct)).Replicas)
            await output.LineAsync(Line(r), Json(r));
        return true;
    }

    private async Task<IReadOnlyList<ReplicaState>> FindAsync(CommandArguments arguments, string replica, CancellationToken ct) =>
        (await replicas.ListAsync(new ListReplicasRequest { Repository = arguments.Text("repo") ?? "", Replica = replica }, ct)).Replicas;

    private static string Line(ReplicaState r) => string.Create(
        CultureInfo.InvariantCulture,
        $"{r.Replica} | {r.Repository} | {r.Site} | {r.State} | revision {r.Revision} | behind {r.LagRevisions} revisions, {Shown.Bytes(r.LagBytes)}, {r.LagSeconds:0.0} s");

    private static JsonObject Json(ReplicaState r) => new()
    {
        ["repository"] = r.Repository,
        ["replica"] = r.Replica,
        ["site"] = r.Site,
        ["state"] = r.State,
        ["revision"] = r.Revision,
        ["rootHash"] = r.RootHash,
        ["lagRevisions"] = r.LagRevisions,
        ["lagBytes"] = r.LagBytes,
        ["lagSeconds"] = r.LagSeconds,
        ["lagEvents"] = r.LagEvents,
        ["lastSeenAt"] = Shown.Time(DateTimeOffset.FromUnixTimeMilliseconds(r.LastSeenAt)),
        ["problem"] = r.Problem.Length > 0 ? r.Problem : null,
    };
}
