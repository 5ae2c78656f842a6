using CvmfsNix.Cluster.Actors.Administration.Audit;
using CvmfsNix.Cluster.Actors.Administration.Tables;
using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Actors.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>Registers what operators' surfaces are made of.</summary>
internal static class AdministrationHosting
{
    public static IServiceCollection AddAdministration(this IServiceCollection services, CoreOptions options)
    {
        services.AddSingleton<IClusterMembership, ClusterMembership>();
        services.AddSingleton<IShardingView, ShardingView>();
        services.AddSingleton<IActorTree, ActorTree>();
        services.AddSingleton<IRepositoryHistory, RepositoryHistory>();
        services.AddSingleton<IStoreAdministration, StoreAdministration>();
        services.AddSingleton<IOperations, Operations>();
        services.AddSingleton<IAuditLog>(_ => new AuditTable(SideDatabase.Of(options.Journal)));
        services.AddSingleton<ITokenTable>(_ => new TokenTable(SideDatabase.Of(options.Journal)));
        return services;
    }
}
