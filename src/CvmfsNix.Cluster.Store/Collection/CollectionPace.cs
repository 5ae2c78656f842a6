namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>Keeps a long piece of work from taking more than a share of the time. Not thread-safe.</summary>
/// <param name="share">Of the time, above 0; 1 = without pauses.</param>
/// <param name="clock">The time.</param>
internal sealed class CollectionPace(double share, TimeProvider clock)
{
    private static readonly TimeSpan Piece = TimeSpan.FromMilliseconds(20);

    private long _since = clock.GetTimestamp();

    /// <summary>Pauses when enough was done since the last pause.</summary>
    public ValueTask StepAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (share >= 1)
            return ValueTask.CompletedTask;
        TimeSpan worked = clock.GetElapsedTime(_since);
        return worked < Piece ? ValueTask.CompletedTask : PauseAsync(worked, cancellationToken);
    }

    private async ValueTask PauseAsync(TimeSpan worked, CancellationToken cancellationToken)
    {
        await Task.Delay(worked * ((1 / share) - 1), clock, cancellationToken).ConfigureAwait(false);
        _since = clock.GetTimestamp();
    }
}
