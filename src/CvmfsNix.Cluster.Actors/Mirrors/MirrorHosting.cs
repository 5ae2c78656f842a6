using System.Net.Security;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Sources;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>Registers the mirror of a process.</summary>
public static class MirrorHosting
{
    private const string JournalFile = "journal.db";

    /// <summary>Runs the receivers as a hosted service, with <see cref="IMirror"/> and <see cref="IMirrorFeed"/> over them. Who feeds them is the caller's.</summary>
    public static IServiceCollection AddCvmfsNixMirror(this IServiceCollection services, MirrorOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(ReplicationLimits.Default);
        services.TryAddSingleton<IJournalDatabase>(new SqliteJournal(Path.Combine(options.DataDirectory, JournalFile)));
        services.AddSingleton(sp =>
        {
            var clock = sp.GetRequiredService<TimeProvider>();
            var sources = new FetchSources(sp.GetRequiredService<ReplicationLimits>(), clock, sp.GetService<SslClientAuthenticationOptions>());
            var mirror = new Mirror(options, sources, clock, sp.GetRequiredService<ILoggerFactory>().CreateLogger<Mirror>());
            sources.Troubled = mirror.Troubled;
            return mirror;
        });
        services.AddSingleton<IMirror>(sp => sp.GetRequiredService<Mirror>());
        services.AddSingleton<IMirrorFeed>(sp => sp.GetRequiredService<Mirror>());
        services.TryAddSingleton<MirrorEngines>(sp =>
        {
            var (sources, limits, clock) = (sp.GetRequiredService<Mirror>().Sources, sp.GetRequiredService<ReplicationLimits>(), sp.GetRequiredService<TimeProvider>());
            return (store, keys) => new PackEngine(store, keys, sources, limits, clock);
        });
        services.AddHostedService<MirrorLife>();
        services.AddHostedService<MirrorCollection>();
        return services;
    }
}
