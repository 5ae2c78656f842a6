using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>Which record files the revisions of a history have, and which of them nobody needs any more. Not thread-safe.</summary>
internal sealed class RecordBook
{
    private readonly SortedDictionary<ulong, RevisionRecords> _kept = [];
    private readonly HashSet<string> _forgotten = new(StringComparer.Ordinal);

    /// <summary>Of revisions that are not forgotten, ascending.</summary>
    public IReadOnlyCollection<RevisionRecords> Kept => _kept.Values;

    /// <summary>Takes the next event.</summary>
    public void Add(IRepositoryEvent @event)
    {
        switch (@event)
        {
            case RepositoryCreated e:
                Add(e.Initial);
                break;
            case RevisionCommitted e:
                Add(e.Revision);
                break;
            case RecordsForgotten e:
                Forget(e.Revisions);
                break;
        }
    }

    /// <summary>Takes the record files of a revision.</summary>
    public void Add(RevisionRecords records)
    {
        if (!records.AreForgotten)
            _kept[records.Revision] = records;
    }

    /// <summary>Nobody needs those of these revisions.</summary>
    public void Forget(RevisionSet revisions)
    {
        foreach (var records in _kept.Values.Where(r => revisions.Contains(r.Revision)).ToList())
        {
            _kept.Remove(records.Revision);
            _forgotten.UnionWith(records.Digests);
        }
    }

    /// <summary>Record files of forgotten revisions that no other one has as well: revisions may have the same.</summary>
    public IReadOnlyList<string> Deletable()
    {
        if (_forgotten.Count == 0)
            return [];
        HashSet<string> needed = new(_kept.Values.SelectMany(r => r.Digests), StringComparer.Ordinal);
        return [.. _forgotten.Where(d => !needed.Contains(d))];
    }

    /// <summary>They need not be looked at again.</summary>
    public void Gone(IEnumerable<string> digests) => _forgotten.ExceptWith(digests);

    private void Add(Revision revision) =>
        Add(new RevisionRecords(revision.Head.Revision, revision.Head.Previous?.Revision ?? 0, revision.PathInfoDigest, revision.DeltaDigest));
}
