namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>The record files that bring the index from one revision to the next.</summary>
/// <param name="Revision">The revision they belong to.</param>
/// <param name="Previous">The revision before it; 0 for the first.</param>
/// <param name="PathInfoDigest">Blob with the registrations of its new paths.</param>
/// <param name="DeltaDigest">Blob with the objects and contents it added.</param>
public sealed record RevisionRecords(ulong Revision, ulong Previous, string PathInfoDigest, string DeltaDigest)
{
    /// <summary>Nothing of the revision is left, and nobody has its record files any more.</summary>
    public bool AreForgotten => PathInfoDigest.Length == 0;

    /// <summary>The digests; none where they are forgotten.</summary>
    public IEnumerable<string> Digests => AreForgotten ? [] : [PathInfoDigest, DeltaDigest];

    /// <summary>Of a revision of which nothing is left.</summary>
    public static RevisionRecords Forgotten(ulong revision, ulong previous) => new(revision, previous, "", "");
}
