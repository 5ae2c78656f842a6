namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>
/// How large the next batch is, and what follows when one could not be prepared. What cannot be prepared alone, for a reason that is
/// not the machine's, never can: it is to be rejected, lest it hold up the queue and its builder for ever. Until it is alone, batches get
/// smaller, so that the others are committed. Not thread-safe.
/// </summary>
public sealed class BatchPacing
{
    private const int TriesAlone = 3;
    private const int FailuresCounted = 10;
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(30);

    private readonly int _membersMax;

    /// <param name="membersMax">Most transactions of a batch.</param>
    public BatchPacing(int membersMax) => Members = _membersMax = membersMax;

    /// <summary>What follows a failure.</summary>
    /// <param name="RejectAlone">The only member of the batch is to be rejected, at once.</param>
    /// <param name="Pause">Otherwise: how long to wait before the next try.</param>
    public readonly record struct Advice(bool RejectAlone, TimeSpan Pause);

    /// <summary>Most transactions of the next batch.</summary>
    public int Members { get; private set; }

    /// <summary>Failures in a row.</summary>
    public int Failures { get; private set; }

    /// <summary>A batch was prepared: the next may be larger.</summary>
    public void Prepared()
    {
        Failures = 0;
        Members = Math.Min(Members * 2, _membersMax);
    }

    /// <summary>A batch could not be prepared.</summary>
    /// <param name="members">How many it had.</param>
    /// <param name="passes">The reason is one that goes away by itself: a disk, a database, a peer.</param>
    /// <param name="pauseMax">The longest pause that makes sense for the reason.</param>
    public Advice Failed(int members, bool passes, TimeSpan? pauseMax = null)
    {
        if (!passes && members == 1 && Failures + 1 >= TriesAlone)
        {
            Failures = 0;
            return new Advice(true, TimeSpan.Zero);
        }

        Failures = passes || members == 1 ? Math.Min(Failures + 1, FailuresCounted) : Failures;
        Members = Math.Max(1, members / 2);
        var pause = TimeSpan.FromMilliseconds(100 << Failures);
        var most = pauseMax ?? PauseMax;
        return new Advice(false, pause < most ? pause : most);
    }
}
