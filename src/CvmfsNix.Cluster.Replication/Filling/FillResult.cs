using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Replication.Filling;

/// <summary>A revision is here, whole, verified and durable; it can be served.</summary>
/// <param name="Manifest">Its manifest.</param>
/// <param name="Whitelist">The whitelist that its certificate was found on.</param>
/// <param name="ObjectsFetched">Objects and record files that came over the network.</param>
/// <param name="BytesFetched">Bytes of the answers they came in.</param>
/// <param name="BytesFromSiblings">Those of them that came from siblings.</param>
/// <param name="CatalogsRead">Catalogs that had to be opened.</param>
/// <param name="TagsSkipped">Tags whose root catalog no source has any more, which a repository with garbage collection allows.</param>
public sealed record FillResult(
    SignedManifest Manifest,
    SignedWhitelist Whitelist,
    long ObjectsFetched,
    long BytesFetched,
    long BytesFromSiblings,
    long CatalogsRead,
    IReadOnlyList<string> TagsSkipped);
