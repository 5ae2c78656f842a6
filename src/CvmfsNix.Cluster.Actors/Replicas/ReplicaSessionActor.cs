using Akka.Actor;
using CvmfsNix.Cluster.Model.Replicas;
using static CvmfsNix.Cluster.Model.Replicas.ReplicaProtocol;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>The cluster's side of a <see cref="ReplicaSession"/>: repeats what may be lost, and ends the stream with the actor system.</summary>
internal sealed class ReplicaSessionActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan ConnectEvery = TimeSpan.FromSeconds(1);

    /// <summary>What a replica last said is repeated this often: the replica may have been moved to another node meanwhile.</summary>
    private static readonly TimeSpan ReportEvery = TimeSpan.FromSeconds(5);

    private sealed record ConnectAgain;

    private sealed record ReportAgain;

    private readonly ReplicaSession _session;
    private readonly IActorRef _replicas;
    private bool _alive = true;

    public ReplicaSessionActor(ReplicaSession session, IActorRef replicas)
    {
        (_session, _replicas) = (session, replicas);
        Receive<ReplicaSession.Joining>(joining =>
        {
            if (session.StandingOf(joining.Repository) is { } standing)
                Connect(Key(joining.Repository), standing);
        });
        Receive<ReplicaSession.Reporting>(reporting =>
        {
            _alive = true;
            if (session.StandingOf(reporting.Repository) is { Joined: true, Forgotten: false } standing)
                replicas.Tell(new Report(Key(reporting.Repository), session.Id, session.DataUrl, standing.Position));
        });
        Receive<ReplicaSession.Scrubbing>(scrub => replicas.Tell(new ReportScrub(Key(scrub.Repository), session.Id, scrub.Scrub)));
        Receive<ReplicaSession.Living>(_ => _alive = true);
        Receive<ReplicaSession.Leaving>(_ =>
        {
            foreach (var (repository, _) in session.Standings())
                replicas.Tell(new Disconnect(Key(repository), session.Id));
            Context.Stop(Self);
        });
        Receive<ConnectAgain>(_ =>
        {
            foreach (var (repository, standing) in session.Standings().Where(s => !s.Standing.Joined))
                Connect(Key(repository), standing);
        });
        Receive<ReportAgain>(_ =>
        {
            if (!_alive)
                return;
            _alive = false;
            foreach (var (repository, standing) in session.Standings().Where(s => s.Standing.Joined))
                replicas.Tell(new Report(Key(repository), session.Id, session.DataUrl, standing.Position));
        });

        Receive<Connected>(connected => session.Joined(connected.Key.Repository, connected.Paused));
        Receive<PausedIs>(paused => session.Paused(paused.Key.Repository, paused.Paused));
        Receive<ScrubWanted>(wanted => session.Scrub(wanted.Key.Repository, wanted.BytesPerSecond));
        Receive<SiblingsAre>(siblings => session.Siblings(siblings.Key.Repository, siblings.DataUrls));
        Receive<Forgotten>(forgotten => session.Forgotten(forgotten.Key.Repository));
        Receive<NotRegistered>(unknown => session.Unknown(unknown.Key.Repository));
        Receive<SessionSuperseded>(superseded =>
        {
            if (superseded.Session == session.Id)
                session.End(superseded: true);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(ConnectAgain), new ConnectAgain(), ConnectEvery);
        Timers.StartPeriodicTimer(nameof(ReportAgain), new ReportAgain(), ReportEvery);
    }

    protected override void PostStop() => _session.End(superseded: false);

    private ReplicaKey Key(Model.Ids.RepositoryId repository) => new(repository, _session.Replica);

    private void Connect(ReplicaKey key, ReplicaSession.Standing standing) =>
        _replicas.Tell(new Connect(key, _session.Id, _session.Site, _session.DataUrl, standing.Position));
}
