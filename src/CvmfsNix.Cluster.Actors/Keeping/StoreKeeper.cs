using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>
/// Makes this node serve what the journal of one repository holds, event by event and never past one that could not be applied.
/// It is told when the journal has grown, and looks by itself now and then, because such a message may be lost.
/// </summary>
internal sealed class StoreKeeper : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);

    private sealed record Look;

    private sealed record Done(Exception? Cause);

    private readonly LocalRepository _repository;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private long _wanted;
    private bool _running;
    private bool _failing;

    public StoreKeeper(LocalRepository repository)
    {
        _repository = repository;
        Receive<HeadMoved>(moved =>
        {
            _wanted = Math.Max(_wanted, moved.SequenceNumber);
            if (!_running && !_failing && repository.SeenSequence < _wanted)
                CatchUp();
        });
        Receive<Look>(_ =>
        {
            if (!_running)
                CatchUp();
        });
        Receive<Done>(done =>
        {
            _running = false;
            if (done.Cause is { } cause && !_failing)
                _log.Error(cause, "{0}: this node cannot follow the journal past event {1}; it keeps serving revision {2} and tries again", _repository.Definition.Repository, _repository.SeenSequence, _repository.Revision);
            _failing = done.Cause is not null;
            if (!_failing && repository.SeenSequence < _wanted)
                CatchUp();
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(Look), new Look(), TimeSpan.Zero, LookEvery);

    protected override void PostStop() => _stopping.Cancel();

    private void CatchUp()
    {
        _running = true;
        Task.Run(() => _repository.CatchUpAsync(_stopping.Token)).PipeTo(Self, success: () => new Done(null), failure: e => new Done(e));
    }

    /// <summary>The part of <see cref="RepositoryProtocol.HeadMoved"/> a keeper needs.</summary>
    internal sealed record HeadMoved(long SequenceNumber);
}
