using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;

namespace CvmfsNix.Cluster.Actors.Transactions;

/// <summary>A ledger's transactions as operators see them: sizes and decisions, without lists that could be long.</summary>
internal static class TransactionListing
{
    private static readonly RequestDigest NoDigest = new(new byte[RequestDigest.Size]);

    /// <summary>The newest ones, open ones among them.</summary>
    public static TransactionsAre Of(int bucket, LedgerState state, OpenTransactions open, int max, DateTimeOffset now)
    {
        var known = state.Entries.Values.Select(e => new ListedTransaction(Short(e.Transaction), e.Outcome?.Status ?? TransactionStatus.Sealed, e.Outcome is { } o ? Short(o) : null));
        var pending = open.Ids.Where(id => !state.Entries.ContainsKey(id))
            .Select(id => new ListedTransaction(new SealedTransaction(id, NoDigest, "", 0, 0, ""), open.Status(id, now) ?? TransactionStatus.Open, null));
        return new TransactionsAre(
            bucket, [.. known.Concat(pending).OrderByDescending(t => t.Transaction.Id).Take(Math.Clamp(max, 0, ListMax))]);
    }

    private static SealedTransaction Short(SealedTransaction t) => t with { Stores = [] };

    private static TransactionOutcome Short(TransactionOutcome o) => o with { ContentKept = KeptContent.None };
}
