using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>A transaction whose content is durable and which waits for the writer's decision. Small: the content is named by digest.</summary>
/// <param name="Id">The builder's id.</param>
/// <param name="Digest">The request's digest.</param>
/// <param name="BundleDigest">Lower-case hex SHA-256 of the bundle blob in the repository store.</param>
/// <param name="BundleSize">Bytes of the bundle blob.</param>
/// <param name="Paths">Store paths in the bundle.</param>
/// <param name="Builder">What fairness goes by; at most <see cref="BuilderLengthMax"/> characters.</param>
public sealed record SealedTransaction(TransactionId Id, RequestDigest Digest, string BundleDigest, long BundleSize, int Paths, string Builder)
{
    /// <summary>Longest builder name, in characters: it travels with every offer to the writer.</summary>
    public const int BuilderLengthMax = 128;

    /// <summary>
    /// Ids of the stores that confirmed the bundle and every object of it before the seal; counted again at the commit against the stores
    /// there are then. Empty where one store is enough, and in journals of older versions.
    /// </summary>
    public IReadOnlyList<string> Stores { get; init; } = [];

    public bool Equals(SealedTransaction? other) => other is not null
        && Id == other.Id && Digest == other.Digest && BundleDigest == other.BundleDigest && BundleSize == other.BundleSize
        && Paths == other.Paths && Builder == other.Builder && Stores.SequenceEqual(other.Stores, StringComparer.Ordinal);

    public override int GetHashCode() => HashCode.Combine(Id, Digest, BundleDigest);
}
