using System.Collections.Concurrent;
using System.Diagnostics;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Publishing;

/// <summary>Several builders that publish one path after the other through all nodes, each by a process of its own, until they are told to end.</summary>
internal sealed class PublishLoad : IAsyncDisposable
{
    private readonly ConcurrentQueue<long> _answers = [];
    private readonly ConcurrentQueue<PlannedPublish> _open;
    private readonly CancellationTokenSource _enough;
    private readonly Task _all;

    /// <summary>Begins.</summary>
    /// <param name="builder">Publishes, and keeps the answers.</param>
    /// <param name="servers">Whom the builders may use, all of them.</param>
    /// <param name="planned">What is published, in this order.</param>
    /// <param name="builders">How many publish at a time.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public PublishLoad(Builder builder, string servers, IEnumerable<PlannedPublish> planned, int builders, CancellationToken cancellationToken)
    {
        _open = new ConcurrentQueue<PlannedPublish>(planned);
        _enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _all = Task.WhenAll(Enumerable.Range(0, builders).Select(_ => Task.Run(PublishAsync, cancellationToken)));
        return;

        async Task PublishAsync()
        {
            while (!_enough.IsCancellationRequested && _open.TryDequeue(out PlannedPublish? publish))
            {
                CliResult result = await builder.PublishAsync(new NodeAddresses("", servers, "", ""), publish, cancellationToken);
                Assert.True(result.ExitCode == 0, result.Output + result.Errors);
                _answers.Enqueue(Stopwatch.GetTimestamp());
            }
        }
    }

    /// <summary>Publishes acknowledged so far.</summary>
    public int Answers => _answers.Count;

    /// <summary>False once a builder failed, or when there is nothing left to publish.</summary>
    public bool IsGoingOn => !_all.IsCompleted && !_open.IsEmpty;

    /// <summary>Lets every builder finish the publish it is at.</summary>
    /// <returns>When each was acknowledged, in order, as <see cref="Stopwatch"/> tells time.</returns>
    public async Task<long[]> EndAsync()
    {
        await _enough.CancelAsync();
        await _all;
        return [.. _answers.Order()];
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await _all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _enough.Dispose();
    }
}
