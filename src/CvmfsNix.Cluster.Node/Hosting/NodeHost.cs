using System.Diagnostics;
using System.Net;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Admin;
using CvmfsNix.Cluster.Node.BinaryCache;
using CvmfsNix.Cluster.Node.Control;
using CvmfsNix.Cluster.Node.Dashboard;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Logs;
using CvmfsNix.Cluster.Node.Management;
using CvmfsNix.Cluster.Node.Metrics;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Node.Peers;
using CvmfsNix.Cluster.Node.Replication;
using CvmfsNix.Cluster.Node.Tracing;
using CvmfsNix.Cluster.Store.Archives;
using CvmfsNix.Cluster.Store.Ingest;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Puts the node together: three ports, the gateway behind them, and the core it is given.</summary>
public static class NodeHost
{
    private const int ReceivedMessageSizeMax = 16 << 20;
    private const int RequestLineMax = 8 << 10;
    private const int HeadersSizeMax = 32 << 10;
    private const int ConnectionsMax = 20_000;
    private const int StreamsPerConnectionMax = 256;
    private const long UnpackedBytesMax = 128L << 20;

    /// <summary>Builds the program's host; the caller runs and disposes it.</summary>
    /// <param name="options">Checked options.</param>
    /// <param name="folder">The data folder, held by this process.</param>
    /// <param name="tokens">Who may write.</param>
    /// <param name="output">Gets the READY line and nothing else.</param>
    /// <param name="addCore">Registers <see cref="IPublishingCore"/> and <see cref="IRepositoryGate"/>.</param>
    public static WebApplication Build(NodeOptions options, DataFolder folder, AccessTokens tokens, TextWriter output, Action<IServiceCollection> addCore)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(addCore);

        // The empty builder reads no settings files and no environment: all configuration is ours.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "cvmfsnix-node", ContentRootPath = folder.Path });
        AddCommon(builder, options, folder, output, [Surface.Data, Surface.Control, Surface.Management]);
        IServiceCollection services = builder.Services;
        services.AddAccess(options, tokens);
        services.AddSingleton(provider => new RepositoryFolders(
            folder.Repositories,
            provider.GetRequiredService<FileSender>(),
            new GeoAnswer(options.Geo),
            provider.GetService<PeerStores>() is { } peers ? peers.TryBringAsync : null));
        services.AddSingleton(provider => new CacheRepositories(
            provider.GetService<IReplicaStores>() ?? new NoStores(), provider.GetService<PeerStores>() is { } peers ? peers.TryBringAsync : null));
        services.AddSingleton<CacheReading>();
        services.AddSingleton(_ => new CacheAccess(options.Folders.Keys));
        services.AddSingleton(_ => new ArchiveIntake(new IngestOptions { InFlightBytesMax = UnpackedBytesMax }));
        services.AddSingleton<NarReceiver>();
        services.AddSingleton<NarUploads>();
        services.AddSingleton<NarInfoPublisher>();
        services.AddSingleton<CacheWriting>();
        services.AddSingleton<BinaryCacheEndpoint>();
        services.AddSingleton<GatewaySessions>();
        services.AddSingleton<PathStream>();
        services.AddSingleton<PublishingGateway>();
        services.AddSingleton<UploadEndpoint>();
        services.AddSingleton<RevisionWaits>();
        services.AddSingleton<ReplicaAdministration>();
        services.AddSingleton<TagAdministration>();
        services.AddSingleton<RetentionAdministration>();
        services.AddSingleton<INodeState, CoreState>();
        services.AddSingleton<PublishingService>();
        services.AddSingleton<ReplicationService>();
        services.AddSingleton<CallInterceptor>();
        services.AddAdmin();
        services.AddSingleton<ClusterObserver>();
        services.AddSingleton<NodeMetrics>();
        services.AddSingleton<IManagementRoute, MetricsRoute>();
        services.AddSingleton<IManagementRoute, DashboardRoute>();
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = ReceivedMessageSizeMax;
            grpc.Interceptors.Add<CallInterceptor>();
        });
        addCore(services);
        services.AddHostedService<SessionSweeper>();
        services.AddHostedService(provider => provider.GetRequiredService<LiveCalls>());
        services.AddHostedService(provider => provider.GetRequiredService<ClusterObserver>());
        services.AddHostedService<ReadyAnnouncer>();

        WebApplication app = builder.Build();
        Route(app);
        return app;
    }

    /// <summary>What nodes of every role have: log, ports, files.</summary>
    /// <param name="builder">Of the program's host.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="folder">The data folder, held by this process.</param>
    /// <param name="output">Gets the READY line and nothing else.</param>
    /// <param name="surfaces">The ports to open.</param>
    internal static void AddCommon(WebApplicationBuilder builder, NodeOptions options, DataFolder folder, TextWriter output, IReadOnlyList<Surface> surfaces)
    {
        AddLogging(builder.Logging, options.LogLevel, options.LogJson);
        var addresses = new NodeAddresses(options.Ports, options.Tls);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options.Ports, addresses, surfaces));
        builder.Services.AddSingleton(provider => new NodeTls(options.Tls, provider.GetRequiredService<ILogger<NodeTls>>()));
        builder.Services.AddSingleton(provider => provider.GetRequiredService<NodeTls>().Outgoing);
        IServiceCollection services = builder.Services;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = LateRequests.StopMax);
        services.AddSingleton(options);
        services.AddSingleton(options.Limits);
        services.AddSingleton(folder);
        services.AddSingleton(addresses);
        services.AddSingleton(output);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(_ => new FileSender(options.Limits.OpenFilesMax));
        services.AddSingleton(new DiskHeadroom(folder.Path, options.Limits));
        services.AddSingleton<LateRequests>();
        services.AddSingleton<ManagementAccess>();
        services.AddHostedService<TraceExport>();
        services.AddSingleton<ManagementEndpoint>();
    }

    /// <summary>The port a request came in by.</summary>
    internal static Surface? SurfaceOf(HttpContext context) => context.Features.Get<SurfaceFeature>()?.Surface;

    private static void AddLogging(ILoggingBuilder logging, LogLevel level, bool json)
    {
        var levels = new LogLevels(level);
        logging.Services.AddSingleton(levels);
        logging.Services.AddSingleton(provider => new LogMemory(provider.GetRequiredService<TimeProvider>()));
        logging.Services.AddSingleton<ILoggerProvider>(provider => provider.GetRequiredService<LogMemory>());
        logging.SetMinimumLevel(LogLevel.Trace);
        logging.AddFilter((category, l) => levels.Allows(category, l));
        if (json)
        {
            logging.AddJsonConsole(console =>
            {
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            });
        }
        else
        {
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }

        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }

    private static void Listen(KestrelServerOptions kestrel, PortOptions ports, NodeAddresses addresses, IReadOnlyList<Surface> surfaces)
    {
        kestrel.AddServerHeader = false;
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxConcurrentConnections = ConnectionsMax;
        limits.MaxRequestLineSize = RequestLineMax;
        limits.MaxRequestHeadersTotalSize = HeadersSizeMax;
        limits.MaxRequestBodySize = 1 << 20; // uploads and streams lift it for themselves
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        limits.Http2.MaxStreamsPerConnection = StreamsPerConnectionMax;
        // A replica's stream is silent for long when nothing is published; only pings find out that nobody is there any more.
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(5);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
        limits.Http2.InitialConnectionWindowSize = 4 << 20;
        limits.Http2.InitialStreamWindowSize = 2 << 20;

        // Stock clients understand status lines of HTTP/1 only.
        var tls = kestrel.ApplicationServices.GetRequiredService<NodeTls>();
        Listen(Surface.Data, ports.Http, HttpProtocols.Http1);
        Listen(Surface.Control, ports.Grpc, HttpProtocols.Http2);
        Listen(Surface.Management, ports.Management, HttpProtocols.Http1);

        void Listen(Surface surface, BindAddress address, HttpProtocols protocols)
        {
            if (!surfaces.Contains(surface))
                return;
            IPEndPoint endPoint = address.Resolve();
            kestrel.Listen(endPoint, listen =>
            {
                listen.Protocols = protocols;
                listen.Use(next => connection =>
                {
                    connection.Features.Set(new SurfaceFeature(surface));
                    return next(connection);
                });
                tls.Apply(listen, surface);
                addresses.Add(surface, listen);
            });
        }
    }

    private static void Route(WebApplication app)
    {
        var folders = app.Services.GetRequiredService<RepositoryFolders>();
        var uploads = app.Services.GetRequiredService<UploadEndpoint>();
        var management = app.Services.GetRequiredService<ManagementEndpoint>();
        var metrics = app.Services.GetRequiredService<NodeMetrics>();
        LateRequests.Use(app);
        app.Use(async (context, next) =>
        {
            long started = Stopwatch.GetTimestamp();
            await next(context);
            if (SurfaceOf(context) is { } surface)
                metrics.Answered(surface, context.Request.Method, context.Response.StatusCode, Stopwatch.GetElapsedTime(started));
        });
        app.UseAccess();
        var caches = app.Services.GetRequiredService<BinaryCacheEndpoint>();
        var peers = app.Services.GetService<PeerEndpoint>();
        var replicas = app.Services.GetService<ReplicaEndpoint>();
        app.MapWhen(context => SurfaceOf(context) == Surface.Data, branch => branch.Run(context =>
        {
            DataPath path = DataPath.Parse(context.Request.Path.Value ?? "");
            return path.Kind switch
            {
                DataPathKind.Upload => uploads.ReceiveAsync(context, path),
                DataPathKind.BinaryCache => caches.ServeAsync(context, path),
                DataPathKind.Peer when peers is not null => peers.ServeAsync(context, path),
                DataPathKind.Replica when replicas is not null => replicas.ServeAsync(context, path),
                _ => folders.ServeAsync(context, path),
            };
        }));
        app.MapWhen(context => SurfaceOf(context) == Surface.Management, branch => branch.Run(management.ServeAsync));
        app.MapWhen(context => SurfaceOf(context) == Surface.Control, branch =>
        {
            // gRPC bounds its messages itself, and its refusal says so; Kestrel's would be an exception of nobody.
            branch.Use((context, next) =>
            {
                if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
                    limit.MaxRequestBodySize = null;
                return next(context);
            });
            branch.UseRouting();
            branch.UseEndpoints(endpoints =>
            {
                endpoints.MapGrpcService<PublishingService>();
                endpoints.MapGrpcService<ReplicationService>();
                endpoints.MapGrpcService<AdminService>();
            });
        });
    }
}
