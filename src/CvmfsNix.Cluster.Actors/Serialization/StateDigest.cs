using System.Security.Cryptography;
using Akka.Actor;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <summary>Names states by the snapshots they would make: equal states make equal bytes.</summary>
internal static class StateDigest
{
    /// <summary>What an actor answers who is asked for its state.</summary>
    public static StateIs Report(ActorSystem system, long sequenceNumber, object state) =>
        new(Akka.Cluster.Cluster.Get(system).SelfAddress.ToString(), sequenceNumber, Convert.ToHexStringLower(SHA256.HashData(ClusterSerializer.Bytes(state))));
}
