using Akka.Actor;
using Akka.Cluster;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Copies;
using Microsoft.Extensions.Logging;
using static CvmfsNix.Cluster.Model.Copies.StoreProtocol;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>
/// One on every node: knows the stores of the members that are up and reachable, and tells the others of its own. A member is asked until it
/// answers; its store is forgotten with it, so that a node that comes back with an empty folder comes back as another store.
/// </summary>
internal sealed class StoreAnnouncer : ReceiveActor, IWithTimers
{
    /// <summary>Name below <c>/user</c>, the same on every node.</summary>
    public const string Name = "stores";

    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(200);

    private sealed record Ask;

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly StoreSet _set;
    private readonly Func<string?> _url;
    private readonly string _site;
    private readonly HashSet<UniqueAddress> _up = [];
    private readonly HashSet<UniqueAddress> _unreachable = [];
    private readonly Dictionary<UniqueAddress, StoreMember> _known = [];

    /// <param name="set">Kept up to date.</param>
    /// <param name="url">Data port of this node; null until it is bound.</param>
    /// <param name="site">Datacenter of this node.</param>
    /// <param name="log">Told of members that are gone.</param>
    public StoreAnnouncer(StoreSet set, Func<string?> url, string site, ILogger log)
    {
        (_set, _url, _site) = (set, url, site);
        Receive<ClusterEvent.IMemberEvent>(e =>
        {
            Note(e.Member);
            if (e is ClusterEvent.MemberRemoved)
                log.LogInformation("{Address} is no member any more", e.Member.Address);
        });
        Receive<ClusterEvent.UnreachableMember>(e =>
        {
            _unreachable.Add(e.Member.UniqueAddress);
            Show();
        });
        Receive<ClusterEvent.ReachableMember>(e =>
        {
            _unreachable.Remove(e.Member.UniqueAddress);
            Show();
        });
        Receive<AskStore>(_ =>
        {
            if (Own() is { } own)
                Sender.Tell(new StoreIs(own, _cluster.SelfUniqueAddress.Uid));
        });
        Receive<StoreIs>(answer =>
        {
            _known[new UniqueAddress(Sender.Path.Address, answer.Incarnation)] = answer.Store;
            Show();
        });
        Receive<Ask>(_ => AskUnknown());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        Timers.StartPeriodicTimer(nameof(Ask), new Ask(), TimeSpan.Zero, AskEvery);
    }

    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        _set.Replace([]);
    }

    private StoreMember? Own() => _url() is { } url ? new StoreMember(_set.OwnId, _cluster.SelfAddress.ToString(), url, _site) : null;

    private void Note(Member member)
    {
        if (member.Status == MemberStatus.Up && member.HasRole(CoreHosting.Stratum0Role))
        {
            _up.Add(member.UniqueAddress);
        }
        else
        {
            _up.Remove(member.UniqueAddress);
            _unreachable.Remove(member.UniqueAddress);
            _known.Remove(member.UniqueAddress);
        }

        AskUnknown();
        Show();
    }

    private void AskUnknown()
    {
        foreach (var member in _up.Where(m => !_known.ContainsKey(m)).ToList())
        {
            if (member != _cluster.SelfUniqueAddress)
            {
                Context.ActorSelection(new RootActorPath(member.Address) / "user" / Name).Tell(new AskStore());
            }
            else if (Own() is { } own)
            {
                _known[member] = own;
                Show();
            }
        }
    }

    private void Show() => _set.Replace(
        [.. _up.Where(m => !_unreachable.Contains(m)).Select(m => _known.GetValueOrDefault(m)).OfType<StoreMember>().OrderBy(s => s.Id, StringComparer.Ordinal)]);
}
