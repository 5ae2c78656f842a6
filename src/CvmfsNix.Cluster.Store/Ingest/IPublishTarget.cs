using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>The other end of an ingest: a transaction on some node. Every method is called from several tasks at once, except <see cref="AddPathAsync"/>.</summary>
public interface IPublishTarget
{
    /// <summary>The digest that names the repository's objects.</summary>
    HashAlgorithmId HashAlgorithm { get; }

    /// <summary>What the repository, or this transaction, has already; answers in the order asked, null for what is to be sent. At most 4,096 digests.</summary>
    Task<IReadOnlyList<StoredContent?>> FindContentAsync(IReadOnlyList<ContentDigest> digests, CancellationToken cancellationToken);

    /// <summary>Sends an object pack; returns when the other side has stored it for good.</summary>
    /// <param name="writePack">Writes the pack; may be called again, for a retry, and writes the same bytes.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task UploadPackAsync(Func<Stream, CancellationToken, Task> writePack, CancellationToken cancellationToken);

    /// <summary>Hands in a path whose objects have all been sent. Called one path at a time, in the order of the run.</summary>
    Task AddPathAsync(PathUpload upload, CancellationToken cancellationToken);
}
