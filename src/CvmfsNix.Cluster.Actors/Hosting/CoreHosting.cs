using System.Net.Security;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Hosting;
using Akka.Hosting;
using Akka.Pattern;
using Akka.Serialization;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Journal.Commits;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Actors.Transactions;
using CvmfsNix.Cluster.Model.Copies;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Layout;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>The actors of a core node, put into each actor system it starts, with the remoting port of that one.</summary>
internal sealed record CoreActors(Action<AkkaConfigurationBuilder, int> Configure);

/// <summary>Registers the actor system of a core node.</summary>
public static class CoreHosting
{
    /// <summary>Name of the actor system; part of every remoting address.</summary>
    public const string SystemName = "cvmfsnix";

    /// <summary>Cluster role of nodes that run ledgers and may lead.</summary>
    public const string CoreRole = "core";

    /// <summary>Cluster role of nodes that hold a full store.</summary>
    public const string Stratum0Role = "stratum0";

    /// <summary>Runs the actor system <c>cvmfsnix</c> as a hosted service, and <see cref="IPublishingCore"/> over it.</summary>
    /// <exception cref="ArgumentException">The options contradict each other; the message names all mistakes.</exception>
    public static IServiceCollection AddCvmfsNixCore(this IServiceCollection services, CoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        Validate(options);
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(_ => new StoreSet(StoreIdentity.LoadOrCreate(new StoreLayout(options.DataDirectory))));
        services.AddSingleton(sp => new StoreCopies(
            new CopyRules(options.Copies),
            sp.GetRequiredService<StoreSet>(),
            sp.GetService<IStoreSurface>() is { } surface ? new PeerClient(surface.Credential, sp.GetService<SslClientAuthenticationOptions>()) : null,
            options.Seeds.Count > 0,
            sp.GetRequiredService<TimeProvider>()));
        services.AddSingleton(sp => new PeerStores(
            sp.GetRequiredService<LocalRepositories>(),
            sp.GetRequiredService<StoreCopies>(),
            options,
            sp.GetRequiredService<CoreSystem>(),
            sp.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton<IRepositoryBackends>(sp => new StoreBackends(options, sp.GetRequiredService<StoreCopies>()));
        services.AddSingleton<LocalRepositories>();
        services.AddSingleton<CoreSystem>();
        services.AddSingleton<ClusterParking>();
        services.TryAddSingleton(Database(options.Journal));
        services.AddSingleton<IJournalReader>(sp =>
        {
            var core = sp.GetRequiredService<CoreSystem>();
            return new JournalReader(() => core.System);
        });
        services.AddSingleton(provider => new CoreActors((builder, port) => Configure(builder, provider, options, port)));
        services.AddSingleton<CoreLife>();
        services.AddSingleton<CoreQuestions>();
        services.AddSingleton<LoadedKeys>();
        services.AddSingleton<IReplicationCore, ReplicationCore>();
        services.AddSingleton<IRepositoryTags, RepositoryTags>();
        services.AddSingleton<IRepositoryRetention, RepositoryRetention>();
        services.AddSingleton<OpenHere>();
        services.AddSingleton<RepositoryViews>();
        services.AddSingleton<RepositoryCreation>();
        services.AddSingleton<TransactionCalls>();
        services.AddSingleton<CopyConfirmation>();
        services.AddSingleton<Readiness>();
        services.AddSingleton<IPublishingCore, PublishingCore>();
        services.AddAdministration(options);
        services.AddHostedService(sp => sp.GetRequiredService<CoreLife>());
        services.AddHostedService(sp => sp.GetRequiredService<Readiness>());
        services.AddHostedService<BundleSweeper>();
        services.AddSingleton<ObjectCollection>();
        services.AddSingleton<ICollectionStatus>(sp => sp.GetRequiredService<ObjectCollection>());
        services.AddHostedService(sp => sp.GetRequiredService<ObjectCollection>());
        return services;
    }

    private static IJournalDatabase Database(JournalOptions journal) => journal switch
    {
        JournalOptions.Sqlite sqlite => new SqliteJournal(sqlite.File),
        JournalOptions.PostgreSql postgres => new PostgreSqlJournal(postgres.ConnectionString, postgres.Init, postgres.AllowUnsafe),
        _ => throw new ArgumentException($"{journal.GetType().Name} is no kind of journal.", nameof(journal)),
    };

    private static void Validate(CoreOptions options)
    {
        var mistakes = new List<string>();
        if (!options.Roles.Contains(CoreRole) || !options.Roles.Contains(Stratum0Role))
            mistakes.Add($"the roles are {string.Join(',', options.Roles)}, but a node of this version is both {CoreRole} and {Stratum0Role}");
        if (options.Journal is JournalOptions.Sqlite && options.Seeds.Count > 0)
            mistakes.Add("a SQLite journal is for one process; with seeds the nodes share a PostgreSQL database");
        if (options.Copies != 1 && options.Seeds.Count == 0)
            mistakes.Add($"{options.Copies} copies cannot be kept by a cluster of one node");
        if (options.BatchMembersMax < 1 || options.QueueMax < 1 || options.SnapshotEvery < 1)
            mistakes.Add("BatchMembersMax, QueueMax and SnapshotEvery are at least 1");
        if (mistakes.Count > 0)
            throw new ArgumentException($"These options cannot be used: {string.Join("; ", mistakes)}.", nameof(options));
    }

    private static void Configure(AkkaConfigurationBuilder builder, IServiceProvider provider, CoreOptions options, int port)
    {
        var journal = provider.GetRequiredService<IJournalReader>();
        var clock = provider.GetRequiredService<TimeProvider>();
        var local = provider.GetRequiredService<LocalRepositories>();
        var leadership = provider.GetRequiredService<ILogger<Stratum0Leader>>();
        var database = provider.GetRequiredService<IJournalDatabase>();
        builder.Setups.Add(JournalSessions.Setup(database));
        builder
            .ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.LogLevel = Akka.Event.LogLevel.WarningLevel;
                loggers.AddLoggerFactory();
            })
            .AddHocon(ClusterConfiguration.Build(options, database, port), HoconAddMode.Prepend)
            .WithCustomSerializer("cvmfsnix", ClusterSerializer.Types, system => new ClusterSerializer(system))
            .WithDistributedPubSub(CoreRole)
            .WithShardRegion<TransactionLedger>(
                "ledgers",
                (_, registry, _) => id => Supervised(Props.Create(() => new TransactionLedger(id, SettingsOfLedger(options, registry, clock)))),
                new LedgerMessageExtractor(),
                // A ledger that is idle still knows what is open, which is nowhere else.
                Shards())
            .WithReplicas(clock)
            .WithSingleton<Stratum0Leader>(
                Stratum0Leader.Name,
                (system, registry, _) => LeaderTenure.Props(WriterTemplate(options, system, registry, local, journal, database, clock) with { Log = leadership }),
                new ClusterSingletonOptions { Role = CoreRole, LogSingletonIdentificationFailure = false, BufferSize = 1_000 })
            .WithActors((system, registry, _) =>
            {
                var stores = provider.GetRequiredService<StoreSet>();
                ILogger log = provider.GetRequiredService<ILogger<StoreAnnouncer>>();
                Func<string?> url = provider.GetService<IStoreSurface>() is { } surface ? () => surface.Url : () => "";
                system.ActorOf(Props.Create(() => new StoreAnnouncer(stores, url, options.Site, log)), StoreAnnouncer.Name);
                registry.Register<StoreKeepers>(system.ActorOf(Props.Create(() => new StoreKeepers(local, journal)), "store-keepers"));
            });
    }

    internal static ShardOptions Shards() =>
        new() { Role = CoreRole, StateStoreMode = Akka.Cluster.Sharding.StateStoreMode.DData, RememberEntities = false, ShouldPassivateIdleEntities = false };

    /// <summary>
    /// A persistent actor stops whenever a write failed; from outside it is started again. The longest pause is what a database that is
    /// back after an outage waits for us in vain, so it is short.
    /// </summary>
    /// <param name="props">The actor.</param>
    /// <param name="name">Of the actor below its supervisor.</param>
    internal static Props Supervised(Props props, string name = "persistent") =>
        BackoffSupervisor.Props(Backoff.OnStop(props, name, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(2), 0.2, -1));

    // Ledgers and leader know each other: the leader's proxy is registered after the ledgers' region, before the first ledger starts.
    private static LedgerSettings SettingsOfLedger(CoreOptions options, IActorRegistry registry, TimeProvider clock) => new(
        new LedgerLimits(options.TransactionRetention, options.OpenTransactionExpiry),
        options.EnqueueAgain,
        options.SnapshotEvery,
        registry.Get<Stratum0Leader>(),
        clock);

    private static WriterSettings WriterTemplate(CoreOptions options, ActorSystem system, IActorRegistry registry, LocalRepositories local, IJournalReader journal, IJournalDatabase database, TimeProvider clock) => new()
    {
        Epoch = 0,
        Node = Akka.Cluster.Cluster.Get(system).SelfAddress.ToString(),
        Leader = ActorRefs.Nobody,
        Ledgers = registry.Get<TransactionLedger>(),
        Directories = registry.Get<ReplicaDirectory>(),
        Local = local,
        Journal = journal,
        Database = database,
        Clock = clock,
        BatchMembersMax = options.BatchMembersMax,
        QueueMax = options.QueueMax,
        ReferenceWait = options.ReferenceWait,
        CatalogsKeep = options.CatalogsKeep,
        LedgersLookEvery = options.LedgersLookEvery,
        GcGrace = options.GcGrace,
        RemovalEvery = options.RemovalEvery,
        SnapshotEvery = options.SnapshotEvery,
        CatalogBytesPerSecond = options.CatalogBytesPerSecond,
    };
}
