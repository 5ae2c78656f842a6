using System.Collections.Concurrent;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>One builder that publishes a small path, waits for the answer, thinks, and publishes the next, until it is enough.</summary>
internal sealed class TimedLoad : IAsyncDisposable
{
    private const int Files = 10;

    private readonly ConcurrentQueue<LoadAnswer> _answers = new();
    private readonly CancellationTokenSource _enough = new();
    private readonly Task _running;

    public TimedLoad(LoadBuilder builder, string repository, TimeSpan thinking, CancellationToken cancellationToken) => _running = Task.Run(
        async () =>
        {
            for (int i = 0; !_enough.IsCancellationRequested; i++)
            {
                _answers.Enqueue(await builder.PublishAsync(new LoadPublish(repository, [SyntheticPath.Package($"small-{i}", Files)]), cancellationToken));
                await Task.Delay(thinking, cancellationToken);
            }
        },
        cancellationToken);

    /// <summary>All answers so far, in the order they came.</summary>
    public IReadOnlyCollection<LoadAnswer> Answers => _answers;

    /// <summary>Waits until there are so many answers.</summary>
    public async Task UntilAsync(int count, CancellationToken cancellationToken)
    {
        while (_answers.Count < count)
        {
            if (_running.IsFaulted)
                await _running;
            await Task.Delay(20, cancellationToken);
        }
    }

    /// <summary>Begins nothing more; ends when the last one is answered.</summary>
    public async Task EndAsync()
    {
        await _enough.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _enough.Dispose();
    }
}
