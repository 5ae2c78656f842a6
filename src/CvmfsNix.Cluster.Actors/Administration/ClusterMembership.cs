using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Cluster;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <inheritdoc cref="IClusterMembership"/>
internal sealed class ClusterMembership(CoreSystem core, ClusterParking parking) : IClusterMembership
{
    /// <summary>A listener that is so far behind has stopped listening.</summary>
    private const int EventsWaitingMax = 1_024;

    public ClusterMembers Members
    {
        get
        {
            if (core.Joined is not { } life)
                return new ClusterMembers(core.Address, [], null, null);
            var state = life.Cluster.State;
            var missed = MissedBy(life.Cluster);
            var up = state.Members.Where(m => m.Status == MemberStatus.Up).OrderBy(m => m, Member.AgeOrdering).ToList();
            return new ClusterMembers(
                core.Address,
                [.. state.Members.Select(m => View(m, missed)).OrderBy(m => m.Address, StringComparer.Ordinal)],
                state.Leader?.ToString(),
                up.FirstOrDefault()?.Address.ToString())
            {
                OldestByRole = up.SelectMany(m => m.Roles.Select(role => (role, m)))
                    .GroupBy(x => x.role, StringComparer.Ordinal)
                    .OrderBy(g => g.Key, StringComparer.Ordinal)
                    .ToDictionary(g => g.Key, g => g.First().m.Address.ToString(), StringComparer.Ordinal),
            };
        }
    }

    public async IAsyncEnumerable<MembershipEvent> EventsAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var life = core.Joined ?? throw core.Away();
        var events = Channel.CreateBounded<MembershipEvent>(new BoundedChannelOptions(EventsWaitingMax) { SingleReader = true });
        var listener = life.System.ActorOf(Props.Create(() => new Listener(events.Writer)));
        try
        {
            await foreach (var @event in events.Reader.ReadAllAsync(ct).ConfigureAwait(false))
                yield return @event;
        }
        finally
        {
            listener.Tell(PoisonPill.Instance);
        }
    }

    public bool Join() => parking.Unpark();

    public void Leave(string address)
    {
        var (life, member) = Find(address);
        if (member.Address == life.Cluster.SelfAddress)
            parking.Park();
        life.Cluster.Leave(member.Address);
    }

    public void Down(string address)
    {
        var (life, member) = Find(address);
        life.Cluster.Down(member.Address);
    }

    private (ActorSystemLife Life, Member Member) Find(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var life = core.Joined ?? throw core.Away();
        var members = life.Cluster.State.Members;
        // With the protocol, without it, or the host and port alone.
        var found = members.FirstOrDefault(m => m.Address.ToString() == address || m.Address.HostPort() == address || $"{m.Address.Host}:{m.Address.Port}" == address);
        return found is null
            ? throw new PublishingException(PublishingCodes.UnknownMember, $"No member of the cluster has the address {address}.", address, $"The members are {string.Join(", ", members.Select(m => m.Address))}.")
            : (life, found);
    }

    private static ImmutableDictionary<UniqueAddress, IReadOnlyList<string>> MissedBy(Akka.Cluster.Cluster cluster) =>
        cluster.State.Unreachable.ToImmutableDictionary(m => m.UniqueAddress, _ => (IReadOnlyList<string>)[cluster.SelfAddress.ToString()]);

    private static ClusterMemberState View(Member m, ImmutableDictionary<UniqueAddress, IReadOnlyList<string>>? missed = null) => new(
        m.Address.ToString(),
        m.UniqueAddress.Uid,
        m.Status.ToString(),
        [.. m.Roles.Order(StringComparer.Ordinal)],
        m.AppVersion.Version,
        missed?.GetValueOrDefault(m.UniqueAddress) ?? []);

    // Lives as long as somebody listens, and no longer than the actor system.
    private sealed class Listener : UntypedActor
    {
        private readonly ChannelWriter<MembershipEvent> _events;
        private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);

        public Listener(ChannelWriter<MembershipEvent> events) => _events = events;

        protected override void PreStart() => _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IClusterDomainEvent));

        protected override void PostStop()
        {
            _cluster.Unsubscribe(Self);
            _events.TryComplete();
        }

        protected override void OnReceive(object message)
        {
            MembershipEvent? told = message switch
            {
                ClusterEvent.MemberRemoved e => new MembershipEvent(nameof(ClusterEvent.MemberRemoved), View(e.Member), PreviousStatus: e.PreviousStatus.ToString()),
                ClusterEvent.IMemberEvent e => new MembershipEvent(e.GetType().Name, View(e.Member)),
                ClusterEvent.UnreachableMember e => new MembershipEvent(nameof(ClusterEvent.UnreachableMember), View(e.Member)),
                ClusterEvent.ReachableMember e => new MembershipEvent(nameof(ClusterEvent.ReachableMember), View(e.Member)),
                ClusterEvent.LeaderChanged e => new MembershipEvent(nameof(ClusterEvent.LeaderChanged), At(e.Leader)),
                ClusterEvent.RoleLeaderChanged e => new MembershipEvent(nameof(ClusterEvent.RoleLeaderChanged), At(e.Leader), e.Role),
                ClusterEvent.ClusterShuttingDown => new MembershipEvent(nameof(ClusterEvent.ClusterShuttingDown), null),
                _ => null,
            };
            if (told is not null && !_events.TryWrite(told))
                Context.Stop(Self);
        }

        private ClusterMemberState? At(Address? address) =>
            address is not null && _cluster.State.Members.FirstOrDefault(m => m.Address == address) is { } member ? View(member) : null;
    }
}
