using Akka.Actor;
using Akka.Cluster.Tools.PublishSubscribe;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>One on every node with a store: reads which repositories there are and runs a <see cref="StoreKeeper"/> for each.</summary>
internal sealed class StoreKeepers : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    /// <summary>Reads the list of repositories again.</summary>
    public sealed record Look;

    private sealed record Found(IReadOnlyList<LocalRepository> Repositories, long SequenceNumber);

    private sealed record Failed(Exception Cause);

    private readonly LocalRepositories _local;
    private readonly IJournalReader _journal;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<string, IActorRef> _keepers = new(StringComparer.Ordinal);
    private long _seen;
    private bool _running;
    private bool _again;

    public StoreKeepers(LocalRepositories local, IJournalReader journal)
    {
        _local = local;
        _journal = journal;
        Receive<Look>(_ => Read());
        Receive<RepositoryProtocol.RegistryChanged>(_ => Read());
        Receive<Found>(found =>
        {
            _running = false;
            _seen = found.SequenceNumber;
            local.RegistryRead = true;
            foreach (var repository in found.Repositories)
            {
                var name = repository.Definition.Repository.Value;
                if (!_keepers.ContainsKey(name))
                    _keepers[name] = Context.ActorOf(Props.Create(() => new StoreKeeper(repository)), name);
            }

            if (_again)
                Read();
        });
        Receive<Failed>(failed =>
        {
            _running = false;
            _log.Warning("The list of repositories cannot be read, or a store cannot be opened: {0}; it is tried again", failed.Cause.Message);
        });
        Receive<RepositoryProtocol.HeadMoved>(moved =>
        {
            if (_keepers.TryGetValue(moved.Repository.Value, out var keeper))
                keeper.Tell(new StoreKeeper.HeadMoved(moved.SequenceNumber));
        });
        Receive<SubscribeAck>(_ => { });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        var mediator = DistributedPubSub.Get(Context.System).Mediator;
        mediator.Tell(new Subscribe(Stratum0Leader.RegistryTopic, Self));
        mediator.Tell(new Subscribe(RepositoryWriter.HeadTopic, Self));
        Timers.StartPeriodicTimer(nameof(Look), new Look(), TimeSpan.Zero, LookEvery);
    }

    protected override void PostStop() => _stopping.Cancel();

    private void Read()
    {
        _again = _running;
        if (_running)
            return;
        _running = true;
        var from = _seen + 1;
        Task.Run(() => ReadAsync(from)).PipeTo(Self, success: found => found, failure: e => new Failed(e));
    }

    private async Task<Found> ReadAsync(long from)
    {
        var repositories = new List<LocalRepository>();
        long last = from - 1;
        await foreach (var (sequenceNumber, @event) in _journal.ReadAsync(PersistenceIds.Registry, from, _stopping.Token).ConfigureAwait(false))
        {
            if (@event is RepositoryRegistered registered)
                repositories.Add(await _local.OpenAsync(registered.Definition, _journal, _stopping.Token).ConfigureAwait(false));
            last = sequenceNumber;
        }

        return new Found(repositories, last);
    }
}
