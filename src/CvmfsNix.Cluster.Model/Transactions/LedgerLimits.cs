namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>Bounds of a ledger.</summary>
/// <param name="Retention">How old an id may be.</param>
/// <param name="OpenExpiry">How long an open transaction may be silent.</param>
/// <param name="OpenMax">Most open transactions of one ledger.</param>
/// <param name="SealedMax">Most undecided sealed transactions of one ledger.</param>
public sealed record LedgerLimits(TimeSpan Retention, TimeSpan OpenExpiry, int OpenMax = 10_000, int SealedMax = 1_000)
{
    /// <summary>How far ahead of the ledger's clock an id may be: beyond it a clock is broken, and the id could never be forgotten in time.</summary>
    public static readonly TimeSpan ClockAheadMax = TimeSpan.FromHours(1);

    /// <summary>
    /// Finished transactions are kept this much longer than <see cref="Retention"/>, so that an id still accepted by a ledger with a
    /// slower clock is never one that was forgotten.
    /// </summary>
    public static readonly TimeSpan ForgetMargin = TimeSpan.FromHours(1);

    /// <summary>What a builder is told when a bound is hit.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
}
