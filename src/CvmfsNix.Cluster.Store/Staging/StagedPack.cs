using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>A pack that was taken: all of its objects are in the store for good.</summary>
/// <param name="Objects">Objects in the pack.</param>
/// <param name="ObjectsNew">Those that the store did not have.</param>
/// <param name="BytesNew">Stored bytes of those.</param>
public sealed record StagedPack(long Objects, int ObjectsNew, long BytesNew)
{
    /// <summary>Names of its objects.</summary>
    public IReadOnlyList<ObjectName> Names { get; init; } = [];
}

/// <summary>The bundle of a sealed transaction: a blob with its paths, which the writer commits from.</summary>
/// <param name="Digest">Name of the blob.</param>
/// <param name="Size">Bytes of the blob.</param>
/// <param name="Paths">Paths in it.</param>
public sealed record SealedBundle(string Digest, long Size, int Paths);
