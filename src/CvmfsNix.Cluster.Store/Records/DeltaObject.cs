using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>An object that a path or a revision needs, with the bytes it takes in the store.</summary>
public sealed record DeltaObject(ObjectName Name, long StoredSize);

/// <summary>A file content and the objects it lies in: a row of the compress-once index.</summary>
public sealed record DeltaContent(ContentDigest Digest, StoredContent Content);
