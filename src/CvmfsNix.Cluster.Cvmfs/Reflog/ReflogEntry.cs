using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Reflog;

/// <summary>One object that a repository's history refers to.</summary>
/// <param name="Name">Root catalog, certificate, tag database or metainfo.</param>
/// <param name="At">When it was entered, whole seconds.</param>
public sealed record ReflogEntry(ObjectName Name, DateTimeOffset At);
