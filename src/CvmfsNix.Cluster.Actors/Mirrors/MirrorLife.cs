using Akka.Actor;
using Akka.Hosting;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Layout;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>Runs a mirror's receivers from the start of the process to its end.</summary>
internal sealed class MirrorLife(MirrorOptions options, Mirror mirror, IJournalDatabase database, MirrorEngines engines, TimeProvider clock, ILoggerFactory loggers)
    : IHostedService, IAsyncDisposable
{
    private ActorSystemLife? _life;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await database.PrepareAsync(cancellationToken).ConfigureAwait(false);
        var life = _life = ActorSystemLife.Create(Configure, loggers);
        await life.StartAsync(cancellationToken).ConfigureAwait(false);
        var journal = new JournalReader(() => life.System);
        mirror.Journal = journal;
        var settings = new ReceiverSettings(options, mirror, engines, journal, clock, loggers.CreateLogger<ReplicaReceiver>());
        mirror.Begin(Found(), repository => life.System.ActorOf(CoreHosting.Supervised(Props.Create(() => new ReplicaReceiver(repository, settings))), repository));
    }

    public async Task StopAsync(CancellationToken cancellationToken) => await DisposeAsync().ConfigureAwait(false);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _life, null) is not { } life)
            return;
        await life.DisposeAsync().ConfigureAwait(false);
        foreach (var position in mirror.Positions)
        {
            if (mirror.EntryOf(position.Repository).Open is { } open)
                await open.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Configure(AkkaConfigurationBuilder builder) => builder
        .ConfigureLoggers(log =>
        {
            log.ClearLoggers();
            log.LogLevel = Akka.Event.LogLevel.WarningLevel;
            log.AddLoggerFactory();
        })
        .AddHocon(MirrorConfiguration.Build(database), HoconAddMode.Prepend)
        .WithCustomSerializer("cvmfsnix", ClusterSerializer.Types, system => new ClusterSerializer(system));

    private string[] Found()
    {
        var layout = new StoreLayout(options.DataDirectory);
        return
        [
            .. ((string[])[layout.RepositoriesFolder, layout.MetaRootFolder])
                .Where(Directory.Exists)
                .SelectMany(Directory.EnumerateDirectories)
                .Select(d => Path.GetFileName(d)!)
                .Where(RepositoryName.IsValid)
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
    }
}
