using CvmfsNix.Cluster.Actors.Administration.Audit;
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
        services.AddSingleton<IAuditLog>(_ => new AuditTable(options.Journal switch
        {
            JournalOptions.Sqlite sqlite => new SqliteAuditDatabase(sqlite.File),
            JournalOptions.PostgreSql postgres => new PostgreSqlAuditDatabase(postgres.ConnectionString),
            _ => throw new ArgumentException($"{options.Journal.GetType().Name} is no kind of journal.", nameof(options)),
        }));
        return services;
    }
}
