using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>Store paths whose first, different content was kept. Long lists lie in a blob of the repository store, so that messages stay small.</summary>
/// <param name="Paths">Base names; empty when <paramref name="BlobDigest"/> is set.</param>
/// <param name="BlobDigest">Lower-case hex SHA-256 of a blob with one base name per line; null for short lists.</param>
public sealed record KeptContent(IReadOnlyList<string> Paths, string? BlobDigest)
{
    /// <summary>Longest list that is carried as it is.</summary>
    public const int InlineMax = 64;

    /// <summary>No path.</summary>
    public static readonly KeptContent None = new([], null);

    public bool Equals(KeptContent? other) =>
        other is not null && BlobDigest == other.BlobDigest && Paths.SequenceEqual(other.Paths, StringComparer.Ordinal);

    public override int GetHashCode() => HashCode.Combine(Paths.Count, BlobDigest);
}

/// <summary>What the writer decided of a transaction: final, and the same for every retry.</summary>
/// <param name="Id">The builder's id.</param>
/// <param name="Status"><see cref="TransactionStatus.Committed"/> or <see cref="TransactionStatus.Rejected"/>.</param>
/// <param name="Unchanged">Committed, but nothing of it was new.</param>
/// <param name="Revision">The revision it is part of, or the current one when nothing was new or it was rejected.</param>
/// <param name="RootHash">Root hash of that revision.</param>
/// <param name="PathsNew">Paths it added.</param>
/// <param name="PathsPresent">Paths that were there.</param>
/// <param name="ContentKept">Paths whose first content was kept.</param>
/// <param name="BytesStored">Stored bytes of the objects it brought.</param>
/// <param name="Reason">Set when rejected.</param>
public sealed record TransactionOutcome(
    TransactionId Id,
    TransactionStatus Status,
    bool Unchanged,
    ulong Revision,
    string RootHash,
    int PathsNew,
    int PathsPresent,
    KeptContent ContentKept,
    long BytesStored,
    Rejection? Reason);
