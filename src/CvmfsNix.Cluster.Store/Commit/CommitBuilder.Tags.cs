using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Commit;

/// <content>Tags without a commit: another tag database, and the manifest signed anew.</content>
internal sealed partial class CommitBuilder
{
    public async Task<CommittedTags> BuildTagsAsync(RepositoryHead head, IReadOnlyList<RepositoryTag> tags, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        HashSet<ObjectHash> before = [.. head.NamedTags.Select(t => t.RootHash)];
        HashSet<ObjectHash> after = [.. tags.Select(t => t.RootHash)];
        ObjectName[] roots = [.. after.Select(h => new ObjectName(h, ObjectKind.Catalog))];
        if (objects.FindMissing(roots) is { Count: > 0 } missing)
            throw new IncompleteStoreException(format.Repository, "tags", [.. missing.Select(o => o.ToString())]);

        // The newest two revisions are needed with or without a tag.
        HashSet<ObjectHash> anyway = [head.RootHash];
        if (head.Previous is { } previous)
            anyway.Add(previous.RootHash);
        List<ObjectName> superseded = [.. before.Except(after).Except(anyway).SelectMany(CatalogsOf)];
        List<ObjectName> kept = [.. after.Except(before).Except(anyway).SelectMany(CatalogsOf)];
        // The tag database of the commit itself belongs to the revision, whose objects nobody takes away while it is one of the newest two.
        if (head.CommittedHistory is not null)
            superseded.Add(new ObjectName(head.History, ObjectKind.History));

        DateTimeOffset at = WholeSeconds(now) is var whole && whole > head.ManifestAt ? whole : head.ManifestAt;
        await using ObjectBatch batch = objects.BeginBatch();
        DeltaObject[] fixedObjects = await AddFixedAsync(batch, keys, cancellationToken).ConfigureAwait(false);
        var trunk = new RepositoryTag(Trunk, head.RootHash, head.Revision, head.PublishedAt, head.RootSize, "current HEAD");
        DeltaObject database = await AddTagsAsync(batch, trunk, head.Previous, tags, cancellationToken).ConfigureAwait(false);
        await batch.CompleteAsync(cancellationToken).ConfigureAwait(false);

        ReadOnlyMemory<byte> signed = Sign(head.RootHash, head.RootSize, head.Revision, fixedObjects[0].Name.Hash, database.Name.Hash, at, keys);
        // A change back gives the database that was there: it is not superseded.
        superseded.Remove(database.Name);
        RepositoryHead tagged = head with
        {
            History = database.Name.Hash,
            NamedTags = tags,
            TaggedAt = at,
            CommittedHistory = head.CommittedHistory ?? head.History,
        };
        var made = new CommittedTags(tagged, signed, superseded, kept);
        if (Guarded)
            _guard.CheckTagged(head, made, keys.Certificate);
        return made;
    }
}
