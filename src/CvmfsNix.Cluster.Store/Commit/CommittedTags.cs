using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>The newest revision with other tags, durable; it becomes history with the append of its event.</summary>
/// <param name="Head">As before, but for tags, tag database and the time of the manifest.</param>
/// <param name="SignedManifest">The bytes of <c>.cvmfspublished</c>.</param>
/// <param name="Superseded">The tag database of an earlier change, and catalogs of revisions that have lost their last tag.</param>
/// <param name="Kept">Catalogs of revisions that got a tag.</param>
public sealed record CommittedTags(RepositoryHead Head, ReadOnlyMemory<byte> SignedManifest, IReadOnlyList<ObjectName> Superseded, IReadOnlyList<ObjectName> Kept);
