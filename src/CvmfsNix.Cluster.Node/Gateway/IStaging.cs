using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>What a pack brought.</summary>
/// <param name="Objects">Objects in it.</param>
/// <param name="StoredBytes">Their stored bytes.</param>
public sealed record ReceivedPack(long Objects, long StoredBytes);

/// <summary>The durable list of what a transaction adds.</summary>
/// <param name="Digest">Lower-case hex SHA-256 of the blob.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="Paths">Store paths in it.</param>
public sealed record DurableBundle(string Digest, long Size, int Paths);

/// <summary>
/// What one open transaction has staged on this node. Thread-safe; disposing drops what was not sealed. Malformed packs and refused paths
/// come as <see cref="Errors.NodeException"/> or the store's own exceptions.
/// </summary>
public interface IStaging : IAsyncDisposable
{
    /// <summary>Takes an object pack; its objects are durable on return.</summary>
    Task<ReceivedPack> ReceivePackAsync(Stream body, CancellationToken ct);

    /// <summary>Where contents lie that are committed or of this transaction, in the order asked; null = nowhere.</summary>
    IReadOnlyList<StoredContent?> FindContent(IReadOnlyList<ContentDigest> digests);

    /// <summary>Verifies a path and keeps it for the bundle.</summary>
    Task AddPathAsync(PathUpload upload, CancellationToken ct);

    /// <summary>Writes the bundle durably.</summary>
    Task<DurableBundle> SealAsync(BundleHeader header, CancellationToken ct);

    /// <summary>Verified paths so far.</summary>
    long PathCount { get; }

    /// <summary>Objects received so far.</summary>
    long ObjectsReceived { get; }

    /// <summary>Stored bytes of these.</summary>
    long BytesStored { get; }
}
