using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>Spreads the transactions of a repository over a fixed number of ledgers. The number is part of the journal: it never changes.</summary>
public static class LedgerBucket
{
    /// <summary>Ledgers of a repository.</summary>
    public const int Count = 64;

    /// <summary>The ledger of a transaction, 0 to 63. The last bytes of the id are random, the first ones are time.</summary>
    public static int Of(TransactionId id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.Value.TryWriteBytes(bytes, bigEndian: true, out _);
        return bytes[15] % Count;
    }

    /// <summary>Entity id of a ledger, as in <c>nix.example.org|07</c>.</summary>
    public static string EntityId(RepositoryId repository, int bucket) => $"{repository}|{bucket:00}";

    /// <summary>The opposite of <see cref="EntityId"/>.</summary>
    /// <exception cref="FormatException">It is no entity id.</exception>
    public static (RepositoryId Repository, int Bucket) Parse(string entityId)
    {
        ArgumentNullException.ThrowIfNull(entityId);
        int bar = entityId.LastIndexOf('|');
        if (bar < 0 || !int.TryParse(entityId.AsSpan(bar + 1), System.Globalization.NumberStyles.None, null, out int bucket) || bucket >= Count)
            throw new FormatException($"'{entityId}' names no ledger: expected a repository, a bar and a number below {Count}.");
        return (RepositoryId.Parse(entityId[..bar]), bucket);
    }
}
