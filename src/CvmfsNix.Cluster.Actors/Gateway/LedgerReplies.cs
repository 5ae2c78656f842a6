using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>A ledger's answers as the facade's views and errors: the one place where they are mapped.</summary>
internal static class LedgerReplies
{
    /// <summary>The error an answer stands for; null when it is none.</summary>
    public static PublishingException? Error(object reply) => reply switch
    {
        IdReused r => new PublishingException(PublishingCodes.TransactionIdReused, $"The transaction id {r.Id} was used for another request.", r.Id.ToString(), "Use a new id for a new request."),
        TooOld r => new PublishingException(PublishingCodes.TransactionTooOld, $"The transaction id {r.Id} was made at {r.Id.CreatedAt:u}; ids made before {r.OldestAccepted:u} are no longer remembered, so it may have been applied.", r.Id.ToString(), "Look at the repository, and use a new id if the paths are not there."),
        FromTheFuture r => new PublishingException(PublishingCodes.InvalidTransactionId, $"The transaction id {r.Id} claims to be made at {r.Id.CreatedAt:u}, later than {r.NewestAccepted:u}.", r.Id.ToString(), "Correct the builder's clock and use a new id."),
        Overloaded r => new PublishingException(PublishingCodes.Overloaded, "More transactions wait than the queue takes.", r.Id.ToString(), "Try again later with the same id.", r.RetryAfter),
        NotSealed { Status: TransactionStatus.Aborted } r => new PublishingException(PublishingCodes.TransactionAborted, $"The transaction {r.Id} was aborted.", r.Id.ToString(), "Use a new id."),
        TooLateToAbort r => new PublishingException(PublishingCodes.TransactionSealed, $"The transaction {r.Id} is sealed and will be decided.", r.Id.ToString(), "Ask for its outcome."),
        Unknown r => Unknown(r.Id),
        _ => null,
    };

    public static PublishingException Unknown(TransactionId id) =>
        new(PublishingCodes.UnknownTransaction, $"Nothing is known of the transaction {id}.", id.ToString(), "It was never sealed, or its builder's node restarted: publish again with the same id.");

    public static TransactionView View(TransactionOutcome o, IReadOnlyList<string> contentKept) =>
        new(o.Id, o.Status, o.Revision, o.RootHash, o.Unchanged, o.PathsNew, o.PathsPresent, contentKept, o.BytesStored, o.Reason);
}
