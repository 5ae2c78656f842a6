using CvmfsNix.Cluster.Node.Admin.Palettes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Registers the operators' commands. The only place that lists the palettes.</summary>
internal static class AdminHosting
{
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.TryAddSingleton<IAdminAccess, ScopedAdminAccess>();
        services.AddSingleton<LiveValues>();
        services.AddSingleton<CommandCatalog>();
        services.AddSingleton<CommandRunner>();
        services.AddSingleton<AdminService>();
        services.AddSingleton<IPaletteSource, ActorPalette>();
        services.AddSingleton<IPaletteSource, AuditPalette>();
        services.AddSingleton<IPaletteSource, ClusterPalette>();
        services.AddSingleton<IPaletteSource, ShardingPalette>();
        services.AddSingleton<IPaletteSource, CollectionPalette>();
        services.AddSingleton<IPaletteSource, KeyPalette>();
        services.AddSingleton<IPaletteSource, LeaderPalette>();
        services.AddSingleton<IPaletteSource, LogPalette>();
        services.AddSingleton<IPaletteSource, PathPalette>();
        services.AddSingleton<IPaletteSource, ReplicaPalette>();
        services.AddSingleton<IPaletteSource, RepositoryPalette>();
        services.AddSingleton<IPaletteSource, RevisionPalette>();
        services.AddSingleton<IPaletteSource, StorePalette>();
        services.AddSingleton<IPaletteSource, SystemPalette>();
        services.AddSingleton<IPaletteSource, TokenPalette>();
        services.AddSingleton<IPaletteSource, TransactionPalette>();
        return services;
    }
}
