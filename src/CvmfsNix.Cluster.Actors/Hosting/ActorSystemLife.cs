using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>
/// One actor system from its start to its end. A node that was put out of its cluster needs a new one to come back, and the process, with the
/// HTTP it serves, lives on meanwhile.
/// </summary>
internal sealed class ActorSystemLife : IAsyncDisposable
{
    private static readonly TimeSpan TerminationMax = TimeSpan.FromSeconds(15);

    private readonly ServiceProvider _services;
    private readonly CancellationTokenSource _ended = new();

    private ActorSystemLife(ServiceProvider services, ActorSystem system, IActorRegistry registry)
    {
        (_services, System, Registry) = (services, system, registry);
        _ = system.WhenTerminated.ContinueWith(_ => _ended.Cancel(), TaskScheduler.Default);
    }

    public ActorSystem System { get; }

    public IActorRegistry Registry { get; }

    public Akka.Cluster.Cluster Cluster => Akka.Cluster.Cluster.Get(System);

    /// <summary>Completes when the actor system has ended, asked or not.</summary>
    public Task Terminated => System.WhenTerminated;

    /// <summary>Cancelled when the actor system has ended: nothing it was asked will be answered.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Makes an actor system; its actors are not started yet.</summary>
    /// <param name="configure">Settings and actors.</param>
    /// <param name="loggers">Where it logs.</param>
    public static ActorSystemLife Create(Action<AkkaConfigurationBuilder> configure, ILoggerFactory loggers)
    {
        var services = new ServiceCollection();
        services.AddSingleton(loggers);
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddSingleton<IHostApplicationLifetime, OwnLifetime>();
        services.AddAkka(CoreHosting.SystemName, configure);
        var provider = services.BuildServiceProvider();
        try
        {
            return new ActorSystemLife(provider, provider.GetRequiredService<ActorSystem>(), provider.GetRequiredService<IActorRegistry>());
        }
        catch
        {
            provider.Dispose();
            throw;
        }
    }

    /// <summary>Starts its actors.</summary>
    /// <exception cref="InvalidOperationException">They cannot be started; the log says why.</exception>
    public async Task StartAsync(CancellationToken ct)
    {
        foreach (var service in _services.GetServices<IHostedService>())
            await service.StartAsync(ct).ConfigureAwait(false);
        if (_services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested)
            throw new InvalidOperationException("The actors of this node could not be started; the log says why.");
    }

    /// <summary>Leaves the cluster in order: leadership and ledgers are handed over first.</summary>
    public async Task StopAsync(CoordinatedShutdown.Reason reason)
    {
        var stopped = CoordinatedShutdown.Get(System).Run(reason);
        await Task.WhenAny(stopped, Task.Delay(TerminationMax)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!Terminated.IsCompleted)
        {
            _ = System.Terminate();
            await Task.WhenAny(Terminated, Task.Delay(TerminationMax)).ConfigureAwait(false);
        }

        await _services.DisposeAsync().ConfigureAwait(false);
        _ended.Dispose();
    }

    // The hosting library stops the application with the actor system; here it outlives it.
    private sealed class OwnLifetime : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => _stopping.Token;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication()
        {
            try
            {
                _stopping.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The end came after everything else.
            }
        }

        public void Dispose() => _stopping.Dispose();
    }
}
