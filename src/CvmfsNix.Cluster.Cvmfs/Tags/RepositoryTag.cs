using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Tags;

/// <summary>A named revision.</summary>
/// <param name="Name">Characters <c>A-Z a-z 0-9 - _ . / :</c>; <c>trunk</c> and <c>trunk-previous</c> are kept by publishers.</param>
/// <param name="RootHash">Root catalog.</param>
/// <param name="Revision">The root catalog's revision.</param>
/// <param name="At">The root catalog's last modification, whole seconds.</param>
/// <param name="RootSize">Bytes of the uncompressed root catalog.</param>
/// <param name="Description">Free text.</param>
/// <param name="Branch">Empty for the trunk.</param>
/// <param name="Channel">Obsolete, 0.</param>
public sealed record RepositoryTag(string Name, ObjectHash RootHash, ulong Revision, DateTimeOffset At, long RootSize, string Description, string Branch = "", int Channel = 0);
