using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Hosting;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <summary>Puts replicas and their directories into an actor system.</summary>
internal static class ReplicaHosting
{
    // The two know each other: both regions are registered before the first of their entities starts.
    public static AkkaConfigurationBuilder WithReplicas(this AkkaConfigurationBuilder builder, TimeProvider clock) => builder
        .WithShardRegion<Replica>("replicas", (_, registry, _) => id => ReplicaProps(id, Settings(registry, clock)), new ReplicaExtractor(), CoreHosting.Shards())
        .WithShardRegion<ReplicaDirectory>("replica-directories", (_, registry, _) => id => DirectoryProps(id, Settings(registry, clock)), new DirectoryExtractor(), CoreHosting.Shards());

    private static ReplicaSettings Settings(IActorRegistry registry, TimeProvider clock) => new(registry.Get<ReplicaDirectory>(), registry.Get<Replica>(), clock);

    private static Props ReplicaProps(string id, ReplicaSettings settings) => CoreHosting.Supervised(Props.Create(() => new Replica(id, settings)));

    private static Props DirectoryProps(string id, ReplicaSettings settings) => CoreHosting.Supervised(Props.Create(() => new ReplicaDirectory(id, settings)));
}
