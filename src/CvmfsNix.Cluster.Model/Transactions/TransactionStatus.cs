namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>
/// What is known of a transaction. Open, Aborted and Expired live in memory only; Sealed, Committed and Rejected are in the journal.
/// <code>
///  Open ──Seal──► Sealed ──► Committed
///   │  ╲ time        ╰─────► Rejected
///  Aborted  Expired ──Seal──► Sealed
/// </code>
/// </summary>
public enum TransactionStatus
{
    /// <summary>Begun; the builder still sends.</summary>
    Open = 1,

    /// <summary>Durable and waiting for the writer.</summary>
    Sealed = 2,

    /// <summary>Applied, or found to hold nothing new.</summary>
    Committed = 3,

    /// <summary>Refused for good; the reason is in the outcome.</summary>
    Rejected = 4,

    /// <summary>Given up by its builder before the seal.</summary>
    Aborted = 5,

    /// <summary>Open without a sign of life for too long. A seal is still accepted.</summary>
    Expired = 6,
}
