using CvmfsNix.Cluster.Model.Repositories;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>A request that was not done, with what the caller needs to act on.</summary>
public sealed class PublishingException(string code, string message, string what, string? hint = null, TimeSpan? retryAfter = null, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>Stable name, one of <see cref="PublishingCodes"/> or a rejection's code.</summary>
    public string Code { get; } = code;

    /// <summary>The repository, transaction, path or setting it is about.</summary>
    public string What { get; } = what;

    /// <summary>What to do.</summary>
    public string? Hint { get; } = hint;

    /// <summary>When to try again; null = no advice.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>Codes of <see cref="PublishingException"/>.</summary>
public static class PublishingCodes
{
    public const string UnknownRepository = nameof(UnknownRepository);
    public const string RepositoryExists = nameof(RepositoryExists);
    public const string InvalidRepositoryName = nameof(InvalidRepositoryName);
    public const string UnknownTransaction = nameof(UnknownTransaction);
    public const string InvalidTransactionId = nameof(InvalidTransactionId);
    public const string TransactionIdReused = nameof(TransactionIdReused);
    public const string TransactionTooOld = nameof(TransactionTooOld);

    /// <summary>An abort came after the seal.</summary>
    public const string TransactionSealed = nameof(TransactionSealed);

    /// <summary>The transaction was aborted; a new one needs a new id.</summary>
    public const string TransactionAborted = nameof(TransactionAborted);

    /// <summary>A queue is full; the exception says when to come back.</summary>
    public const string Overloaded = nameof(Overloaded);

    /// <summary>No leader answers at present.</summary>
    public const string NoLeader = nameof(NoLeader);

    /// <summary>Nobody answered in time: it may have happened or not. Asking again with the same id is safe.</summary>
    public const string OutcomeUnknown = nameof(OutcomeUnknown);

    /// <summary>Fewer stores are reachable than copies are required; nothing was lowered. Asking again with the same id is safe.</summary>
    public const string TooFewCopies = nameof(TooFewCopies);

    public const string JournalBehindStores = nameof(JournalBehindStores);
    public const string KeysMissing = nameof(KeysMissing);

    /// <summary>No such replica is registered.</summary>
    public const string UnknownReplica = nameof(UnknownReplica);

    /// <summary>The replica is registered, but cannot be told anything now.</summary>
    public const string ReplicaUnreachable = nameof(ReplicaUnreachable);

    /// <summary>No member of the cluster has that address.</summary>
    public const string UnknownMember = nameof(UnknownMember);

    /// <summary>What was asked for cannot be written down, so it was not done.</summary>
    public const string AuditUnavailable = nameof(AuditUnavailable);

    /// <summary>The tokens that are kept in the journal's database cannot be read, so it is not known whether one is good.</summary>
    public const string TokensUnavailable = nameof(TokensUnavailable);

    /// <summary>There is no such tag.</summary>
    public const string UnknownTag = nameof(UnknownTag);

    /// <summary>The revision does not exist, or its catalogs were collected.</summary>
    public const string UnknownRevision = nameof(UnknownRevision);

    /// <summary>The disk of a node has no room left.</summary>
    public const string DiskFull = nameof(DiskFull);

    // ENOSPC, EDQUOT, and the name the framework gives both elsewhere.
    private static readonly int[] DiskFullResults = [28, 122, unchecked((int)0x80070070)];

    private const int SqliteFull = 13;

    /// <summary>Whether an exception, or what it was caused by, is a disk without room.</summary>
    public static bool IsDiskFull(Exception exception)
    {
        for (Exception? e = exception; e is not null; e = e.InnerException)
        {
            if ((e is IOException && DiskFullResults.Contains(e.HResult)) || e is SqliteException { SqliteErrorCode: SqliteFull })
                return true;
        }

        return false;
    }

    /// <summary>The clock of the node that leads is wrong.</summary>
    public const string ClockSkew = CommitObstacle.ClockSkew;

    /// <summary>Clients refuse the repository until its whitelist is renewed.</summary>
    public const string WhitelistExpired = CommitObstacle.WhitelistExpired;
    public const string InvalidRequest = nameof(InvalidRequest);
}
