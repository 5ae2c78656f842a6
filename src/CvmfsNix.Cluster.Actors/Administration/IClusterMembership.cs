using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>The cluster's members as this node sees them, and what an operator may do about them. Thread-safe.</summary>
public interface IClusterMembership
{
    /// <summary>The members now; without any while this node is in no cluster.</summary>
    ClusterMembers Members { get; }

    /// <summary>
    /// What happens to members, from now on: first one event for each member as it is, then every change. Ends when this node leaves the cluster.
    /// </summary>
    /// <exception cref="PublishingException">NoLeader: this node is in no cluster.</exception>
    IAsyncEnumerable<MembershipEvent> EventsAsync(CancellationToken ct);

    /// <summary>Brings this node back into the cluster after it was told to leave. False: it is a member, or on its way.</summary>
    bool Join();

    /// <summary>A member hands over what it does and leaves. This node stays out, serving what it has, until <see cref="Join"/> or a restart.</summary>
    /// <exception cref="PublishingException">UnknownMember.</exception>
    void Leave(string address);

    /// <summary>Puts a member out without asking it. A process that lives comes back by itself as a new member.</summary>
    /// <exception cref="PublishingException">UnknownMember.</exception>
    void Down(string address);
}

/// <summary>The cluster at a moment.</summary>
/// <param name="Self">Remoting address of this node; empty before its first start.</param>
/// <param name="All">By address.</param>
/// <param name="Leader">The member that leads the membership, which need not be the one that commits; null when unknown.</param>
/// <param name="Oldest">The oldest member that is up; null when there is none.</param>
public sealed record ClusterMembers(string Self, IReadOnlyList<ClusterMemberState> All, string? Leader, string? Oldest)
{
    /// <summary>Role → its oldest member that is up.</summary>
    public IReadOnlyDictionary<string, string> OldestByRole { get; init; } = new Dictionary<string, string>();

    /// <summary>This node; null while it is no member.</summary>
    public ClusterMemberState? Own => All.FirstOrDefault(m => m.Address == Self);
}

/// <summary>A member.</summary>
/// <param name="Address">Remoting address.</param>
/// <param name="Uid">Of this life of its actor system.</param>
/// <param name="Status">As <c>Up</c> or <c>WeaklyUp</c>.</param>
/// <param name="Roles">All of them, in order.</param>
/// <param name="AppVersion">As the node tells it.</param>
/// <param name="UnreachableFor">Members that miss it; empty when it is reachable.</param>
public sealed record ClusterMemberState(
    string Address, int Uid, string Status, IReadOnlyList<string> Roles, string AppVersion, IReadOnlyList<string> UnreachableFor)
{
    /// <summary>False while somebody's failure detection misses it.</summary>
    public bool Reachable => UnreachableFor.Count == 0;
}

/// <summary>Something happened to a member or to the leadership of the membership.</summary>
/// <param name="Kind">As <c>MemberUp</c>, <c>UnreachableMember</c> or <c>LeaderChanged</c>.</param>
/// <param name="Member">The member; null for a change of leaders to nobody, and for the whole cluster's end.</param>
/// <param name="Role">Set for the leader of a role.</param>
/// <param name="PreviousStatus">Set for a member that was removed.</param>
public sealed record MembershipEvent(string Kind, ClusterMemberState? Member, string? Role = null, string? PreviousStatus = null);
