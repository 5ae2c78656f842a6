using Akka.Actor;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Repositories;

namespace CvmfsNix.Cluster.Actors.Leadership;

/// <summary>What one leadership remembers over restarts of its actor.</summary>
internal sealed class Tenure(long began)
{
    /// <summary>Timestamp of its beginning, by the writers' clock.</summary>
    public long Began => began;

    /// <summary>The epoch it took, or tried to take; null before.</summary>
    public ulong? Epoch { get; set; }
}

/// <summary>Why a node leaves the cluster: it must not lead any longer.</summary>
internal sealed class LeadershipEnded(string why) : CoordinatedShutdown.Reason
{
    public string Why => why;

    public override int ExitCode => 5;
}

/// <summary>
/// The singleton: one of these is one leadership. It holds what its persistent actor must not forget when a failed write stops it.
/// </summary>
internal sealed class LeaderTenure : UntypedActor
{
    private readonly IActorRef _leader;

    /// <param name="template">Settings of writers.</param>
    public LeaderTenure(WriterSettings template)
    {
        var tenure = new Tenure(template.Clock.GetTimestamp());
        _leader = Context.ActorOf(CoreHosting.Supervised(Akka.Actor.Props.Create(() => new Stratum0Leader(template, tenure))), "leader");
    }

    public static Props Props(WriterSettings template) => Akka.Actor.Props.Create(() => new LeaderTenure(template));

    protected override void OnReceive(object message) => _leader.Forward(message);
}
