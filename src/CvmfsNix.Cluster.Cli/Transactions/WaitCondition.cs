using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Transactions;

/// <summary>Blocks until a revision is where it is wanted.</summary>
internal static class WaitCondition
{
    // A wait is asked for in slices: the connection may break meanwhile, and another node can go on waiting.
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Waits, with the total time of <paramref name="control"/>.</summary>
    /// <exception cref="CliException">Code <c>TimedOut</c>, exit code 4, when the time is over.</exception>
    public static async Task<WaitReply> WaitAsync(ControlPlane control, WaitRequest request, CancellationToken cancellationToken)
    {
        var retry = new RetryPolicy(control.Clock, control.TotalTime, Patience, unreachableAttempts: null);
        CliException? behind = null;
        while (true)
        {
            TimeSpan slice = retry.Remaining is { } left && left < Slice ? left : Slice;
            if (slice <= TimeSpan.Zero)
                throw TimedOut(request, behind);
            request.TimeoutMs = Math.Max(1, (long)slice.TotalMilliseconds);
            ControlServer server = control.Current;
            try
            {
                // The answer itself may take a moment longer than the wait.
                return await server.AskAsync((client, options) => client.WaitAsync(request, options), slice + TimeSpan.FromSeconds(5), cancellationToken);
            }
            catch (CliException e) when (e.Code is "TimedOut" or "Timeout")
            {
                // A node that could answer said who is behind; it knows better than a deadline does.
                behind = e.Code == "Timeout" ? e : behind;
                retry.Succeeded();
            }
            catch (CliException e) when (e.Transient)
            {
                control.Leave(server);
                if (retry.NextWait(e) is not { } wait)
                    throw;
                await Task.Delay(wait, control.Clock, cancellationToken);
            }
        }
    }

    private static CliException TimedOut(WaitRequest request, CliException? behind) => new(
        "TimedOut",
        behind?.Message ?? $"The revision was not everywhere in time (wanted: {(request.ForReplicas.Length == 0 ? "this node" : request.ForReplicas)}).",
        request.Transaction.Length > 0 ? request.Transaction : $"{request.Repository} revision {request.Revision}",
        request.ForReplicas.Length == 0 ? "it goes on spreading; ask again, or see cvmfsnix status" : "it goes on spreading; ask again, or see cvmfsnix replica list for what lags",
        ExitCode.Unknown);
}
