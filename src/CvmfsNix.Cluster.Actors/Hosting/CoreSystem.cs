using Akka.Actor;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>The actor system of the moment, and whether it belongs to a cluster. Thread-safe.</summary>
internal sealed class CoreSystem
{
    private readonly Lock _gate = new();
    private ActorSystemLife? _life;
    private bool _joined;
    private string _reason = "The node is starting.";
    private string _address = "";

    /// <summary>Remoting address; empty before the first actor system started.</summary>
    public string Address
    {
        get
        {
            lock (_gate)
                return _address;
        }
    }

    /// <summary>One line why the node is in no cluster.</summary>
    public string Reason
    {
        get
        {
            lock (_gate)
                return _reason;
        }
    }

    /// <summary>The actor system, in a cluster or not; null between two.</summary>
    public ActorSystem? System
    {
        get
        {
            lock (_gate)
                return _life?.System;
        }
    }

    /// <summary>The actor system while it is a member of the cluster; else null.</summary>
    public ActorSystemLife? Joined
    {
        get
        {
            lock (_gate)
                return _joined ? _life : null;
        }
    }

    /// <summary>What a caller is told who needs the cluster while this node is in none.</summary>
    public PublishingException Away(Exception? inner = null) => new(
        PublishingCodes.NoLeader, $"This node is in no cluster at present: {Reason}", Address, "Ask another node, or try again; it is safe.", TimeSpan.FromMilliseconds(500), inner);

    public void Started(ActorSystemLife life)
    {
        lock (_gate)
            (_life, _joined, _address) = (life, false, life.Cluster.SelfAddress.ToString());
    }

    public void IsMember()
    {
        lock (_gate)
            (_joined, _reason) = (true, "");
    }

    /// <summary>Says what the node waits for.</summary>
    public void WaitsFor(string reason)
    {
        lock (_gate)
            _reason = reason;
    }

    public void Ended(string reason)
    {
        lock (_gate)
            (_life, _joined, _reason) = (null, false, reason);
    }
}
