using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Management;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Node.Peers;
using CvmfsNix.Cluster.Node.Replication;
using Microsoft.Extensions.DependencyInjection;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Registers the core of this process and the gateway's way to its stores.</summary>
public static class EmbeddedCore
{
    private const string JournalFile = "journal.db";

    /// <summary>Adds both.</summary>
    public static IServiceCollection AddEmbeddedCore(this IServiceCollection services, NodeOptions options)
    {
        services.AddCvmfsNixCore(ToCore(options));
        services.AddStoredTokens();
        services.AddSingleton<IStoreSurface, StoreSurface>();
        services.AddSingleton<IManagementRoute, ClusterRoute>();
        services.AddSingleton<IManagementRoute, EventsRoute>();
        services.AddSingleton<PeerEndpoint>();
        services.AddSingleton<IReplicaStores, CoreReplicaStores>();
        services.AddSingleton<ReplicaEndpoint>();
        return services.AddSingleton<IRepositoryGate, StoreGate>();
    }

    /// <summary>The core's options.</summary>
    public static CoreOptions ToCore(NodeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new CoreOptions
        {
            DataDirectory = options.Folders.Data,
            KeysDirectory = options.Folders.Keys,
            Site = options.Membership.Site,
            Roles = options.Membership.Roles,
            RemotingHost = options.Ports.Remoting.Host,
            RemotingPort = options.Ports.Remoting.Port,
            PublicHost = options.Ports.Remoting.IsLoopback ? null : options.Ports.PublicHost,
            Seeds = options.Membership.Seeds,
            Timing = options.Membership.Timing,
            Copies = options.Membership.Copies,
            GcGrace = options.GcGrace,
            ArchiveKeep = options.ArchiveKeep,
            CatalogBytesPerSecond = options.CatalogBytesPerSecond,
            // A grace that is shorter than their own times shortens these too, or it would mean nothing.
            CatalogsKeep = Shorter(TimeSpan.FromHours(1), options.GcGrace),
            BundlesKeep = Shorter(TimeSpan.FromHours(1), options.GcGrace),
            CollectEvery = Shorter(TimeSpan.FromHours(6), options.GcGrace),
            Journal = options.Journal.ConnectionString is { } connection
                ? new JournalOptions.PostgreSql(connection, options.Journal.Init, options.Journal.AllowUnsafe)
                : new JournalOptions.Sqlite(Path.Combine(options.Folders.Data, JournalFile)),
        };
    }

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
