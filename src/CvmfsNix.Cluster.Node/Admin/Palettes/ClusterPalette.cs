using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>cluster</c>: the members.</summary>
public sealed class ClusterPalette(IClusterMembership cluster, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("cluster", "Members of the cluster",
    [
        new("show", "All members, one a line", ShowAsync),
        new("status", "The node that is asked", StatusAsync),
        new("leader", "The member that leads the membership", LeaderAsync),
        new("tail", "What happens to members, as it happens", TailAsync) { Endless = true },
        new("join", "Bring the node that is asked back after it was told to leave", JoinAsync) { Scope = AdminScope.Operate },
        new("leave", "A member hands over and leaves; without an address the node that is asked", LeaveAsync, live.Member("The member", mandatory: false)) { Scope = AdminScope.Operate, Destructive = true },
        new("down", "Put a member out without asking it", DownAsync, live.Member("The member", mandatory: true)) { Scope = AdminScope.Operate, Destructive = true },
        new("down-unreachable", "Put out every member that is unreachable", DownUnreachableAsync) { Scope = AdminScope.Operate, Destructive = true },
    ]);

    /// <summary>A member in one line: address, roles, status, reachability, version.</summary>
    public static string Line(ClusterMemberState m)
    {
        ArgumentNullException.ThrowIfNull(m);
        return $"{m.Address} | [{string.Join(',', m.Roles)}] | {m.Status.ToLowerInvariant()} | {(m.Reachable ? "" : "unreachable")} | {m.AppVersion}";
    }

    internal static JsonObject Json(ClusterMemberState m) => new()
    {
        ["address"] = m.Address,
        ["uid"] = m.Uid,
        ["roles"] = Shown.Array(m.Roles),
        ["status"] = m.Status,
        ["reachable"] = m.Reachable,
        ["appVersion"] = m.AppVersion,
    };

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        IReadOnlyList<ClusterMemberState> members = Members().All;
        foreach (ClusterMemberState member in members)
            await output.LineAsync(Line(member), Json(member));
        await output.NoteAsync($"Count: {members.Count} nodes");
        return true;
    }

    private async Task<bool> StatusAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        ClusterMemberState own = Members().Own!;
        await output.LineAsync(Line(own), Json(own));
        return true;
    }

    private async Task<bool> LeaderAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        if (Members().Leader is not { } leader)
        {
            await output.NoteAsync("There is no leader at present.");
            return false;
        }

        await output.LineAsync(leader, new JsonObject { ["leader"] = leader });
        return true;
    }

    private async Task<bool> TailAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        await foreach (MembershipEvent e in cluster.EventsAsync(ct))
        {
            string at = Shown.Time(DateTimeOffset.UtcNow);
            await output.LineAsync(
                $"{at} {e.Kind}{(e.Role is { } role ? $" [{role}]" : "")} {(e.Member is { } m ? Line(m) : "")}".TrimEnd(),
                new JsonObject { ["at"] = at, ["type"] = e.Kind, ["role"] = e.Role, ["member"] = e.Member is { } member ? Json(member) : null });
        }

        return true;
    }

    private async Task<bool> JoinAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        bool changed = cluster.Join();
        string self = cluster.Members.Self;
        await output.LineAsync(changed ? $"{self} joins" : $"{self} was not told to leave", new JsonObject { ["address"] = self, ["changed"] = changed });
        return true;
    }

    private async Task<bool> LeaveAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string address = arguments.Text("address") ?? Members().Self;
        cluster.Leave(address);
        await output.LineAsync($"{address} leaves", new JsonObject { ["address"] = address });
        return true;
    }

    private async Task<bool> DownAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string address = arguments.Required("address");
        cluster.Down(address);
        await output.LineAsync($"{address} is put out", new JsonObject { ["address"] = address });
        return true;
    }

    private async Task<bool> DownUnreachableAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        IReadOnlyList<ClusterMemberState> gone = [.. Members().All.Where(m => !m.Reachable)];
        foreach (ClusterMemberState member in gone)
        {
            cluster.Down(member.Address);
            await output.LineAsync($"{member.Address} is put out", new JsonObject { ["address"] = member.Address });
        }

        await output.NoteAsync($"Count: {gone.Count} nodes");
        return true;
    }

    private ClusterMembers Members() => cluster.Members is { Own: not null } members
        ? members
        : throw new PublishingException(PublishingCodes.NoLeader, "This node is in no cluster at present.", cluster.Members.Self, "cluster join brings it back when it was told to leave; /ready says what else it waits for.");
}
