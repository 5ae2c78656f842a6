using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.BinaryCache;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Management;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Node.Replication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>
/// Puts a stratum1 together: a data port that serves the repository folders whatever happens to the core, a management port, and what follows
/// the core or a stock server behind them. It is a member of nothing.
/// </summary>
public static class MirrorHost
{
    /// <summary>Builds the program's host; the caller runs and disposes it.</summary>
    /// <param name="options">Checked options of a stratum1.</param>
    /// <param name="folder">The data folder, held by this process.</param>
    /// <param name="output">Gets the READY line and nothing else.</param>
    public static WebApplication Build(NodeOptions options, DataFolder folder, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(folder);
        MirrorChoice choice = options.Mirror ?? throw new ArgumentException("The node is no mirror.", nameof(options));
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "cvmfsnix-node", ContentRootPath = folder.Path });
        Surface[] surfaces = choice.ControlPort ? [Surface.Data, Surface.Management, Surface.Control] : [Surface.Data, Surface.Management];
        NodeHost.AddCommon(builder, options, folder, output, surfaces);
        IServiceCollection services = builder.Services;
        AccessTokens tokens = options.Access.TokenFile is { } tokenFile ? AccessTokens.Of(AccessTokens.ReadFile(tokenFile)) : AccessTokens.Off;
        services.AddSingleton(new AccessControl(tokens.Required, tokens));
        services.AddSingleton(provider => new RepositoryFolders(
            folder.Repositories, provider.GetRequiredService<FileSender>(), new GeoAnswer(options.Geo), replicas: true));
        services.AddSingleton(ReplicaIdentity.Of(choice.ReplicaId, folder.Path, options.Membership.Site));
        if (choice.Stock is null)
        {
            services.AddCvmfsNixMirror(new MirrorOptions { DataDirectory = options.Folders.Data, KeysDirectory = options.Folders.Keys, GcGrace = options.GcGrace, ArchiveKeep = options.ArchiveKeep });
            services.AddSingleton<IReplicaStores, MirrorStores>();
            services.AddSingleton<ReplicaEndpoint>();
            services.AddSingleton(provider => new CacheRepositories(provider.GetRequiredService<IReplicaStores>()));
            services.AddSingleton<CacheReading>();
            services.AddSingleton<BinaryCacheEndpoint>();
            services.AddSingleton<INodeState, MirrorNodeState>();
            services.AddHostedService<CoreLink>();
        }
        else
        {
            services.AddSingleton<StockMirror>();
            services.AddSingleton<INodeState, StockMirrorState>();
            services.AddHostedService(provider => provider.GetRequiredService<StockMirror>());
        }

        services.AddHostedService<ReadyAnnouncer>();
        WebApplication app = builder.Build();
        Route(app);
        return app;
    }

    private static void Route(WebApplication app)
    {
        LateRequests.Use(app);
        var folders = app.Services.GetRequiredService<RepositoryFolders>();
        var management = app.Services.GetRequiredService<ManagementEndpoint>();
        // A mirror of a stock server has no registrations, so it is no binary cache.
        var caches = app.Services.GetService<BinaryCacheEndpoint>();
        var packs = app.Services.GetService<ReplicaEndpoint>();
        app.MapWhen(context => NodeHost.SurfaceOf(context) == Surface.Data, branch => branch.Run(context =>
        {
            DataPath path = DataPath.Parse(context.Request.Path.Value ?? "");
            return path.Kind switch
            {
                DataPathKind.Replica when packs is not null => packs.ServeAsync(context, path),
                DataPathKind.BinaryCache when caches is not null => caches.ServeAsync(context, path),
                _ => folders.ServeAsync(context, path),
            };
        }));
        var access = app.Services.GetRequiredService<AccessControl>();
        app.MapWhen(context => NodeHost.SurfaceOf(context) == Surface.Management, branch => branch.Run(async context =>
        {
            await access.IdentifyAsync(context);
            await management.ServeAsync(context);
        }));
        app.MapWhen(context => NodeHost.SurfaceOf(context) == Surface.Control, branch => branch.Run(RefuseAsync));
    }

    // A call that a core node would answer: gRPC's own word for that, so that clients say something sensible.
    private static Task RefuseAsync(HttpContext context)
    {
        context.Response.ContentType = "application/grpc";
        context.Response.Headers["grpc-status"] = "12";
        context.Response.Headers["grpc-message"] = "This node is a stratum1: it serves copies over HTTP. Ask a core node.";
        return Task.CompletedTask;
    }
}
