using System.Collections.Concurrent;
using System.Diagnostics;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>Builders that publish until it is enough.</summary>
internal sealed class SteadyLoad : IAsyncDisposable
{
    private readonly ConcurrentQueue<LoadAnswer> _answers = new();
    private readonly CancellationTokenSource _enough = new();
    private readonly Task _running;

    public SteadyLoad(BuilderPool pool, string repository, int builders, CancellationToken cancellationToken) =>
        _running = Task.WhenAll(Enumerable.Range(0, builders).Select(b => Task.Run(
            async () =>
            {
                LoadBuilder builder = pool.Builder($"builder-{b}");
                foreach (LoadPublish publish in OverlappingLoad.Of(repository, "steady", b, int.MaxValue))
                {
                    if (_enough.IsCancellationRequested)
                        return;
                    _answers.Enqueue(await builder.PublishAsync(publish, cancellationToken));
                }
            },
            cancellationToken)));

    /// <summary>All answers so far, in the order they came.</summary>
    public IReadOnlyCollection<LoadAnswer> Answers => _answers;

    /// <summary>Waits for an answer to something that was begun after a moment.</summary>
    public async Task ProgressAsync(long since, CancellationToken cancellationToken)
    {
        while (!_answers.Any(a => a.Began > since))
        {
            if (_running.IsFaulted)
                await _running;
            await Task.Delay(20, cancellationToken);
        }
    }

    /// <summary>The longest time without an answer between two moments, and how long after the first of them it ended.</summary>
    public (TimeSpan Longest, TimeSpan End) Gap(long from, long until)
    {
        long[] times = [from, .. _answers.Select(a => a.Answered).Where(t => t > from && t < until).Order(), until];
        (TimeSpan Longest, long End) gap = times.Zip(times.Skip(1), (a, b) => (Stopwatch.GetElapsedTime(a, b), b)).MaxBy(g => g.Item1);
        return (gap.Longest, Stopwatch.GetElapsedTime(from, gap.End));
    }

    /// <summary>Begins nothing more; ends when everything is answered.</summary>
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
