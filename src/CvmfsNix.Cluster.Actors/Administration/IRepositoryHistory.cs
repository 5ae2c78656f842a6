using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>What a repository's journal and index tell of its past. Thread-safe.</summary>
public interface IRepositoryHistory
{
    /// <summary>The newest revisions this node has followed, newest first.</summary>
    /// <exception cref="Hosting.PublishingException">UnknownRepository.</exception>
    Task<IReadOnlyList<PastRevision>> RevisionsAsync(string fqrn, int max, CancellationToken ct);

    /// <summary>A revision; null when there is none of that number here.</summary>
    Task<PastRevision?> RevisionAsync(string fqrn, ulong revision, CancellationToken ct);

    /// <summary>
    /// What is different between two revisions, ascending by name: paths that only one of them has. What a revision between them brought is left out once its records are
    /// forgotten; a path whose removal alone is still known is shown as removed.
    /// </summary>
    /// <param name="fqrn">The repository.</param>
    /// <param name="after">The older revision.</param>
    /// <param name="upTo">The newer one.</param>
    /// <param name="ct">Gives up.</param>
    IAsyncEnumerable<PathChange> ChangesAsync(string fqrn, ulong after, ulong upTo, CancellationToken ct);

    /// <summary>A committed path; null when it is not in the repository.</summary>
    IndexedPath? Find(string fqrn, StorePathName path);

    /// <summary>Committed paths whose base names begin with a text, at most <paramref name="max"/>.</summary>
    IReadOnlyList<StorePathName> NamesThatBegin(string fqrn, string prefix, int max);

    /// <summary>Committed paths that refer to a path, itself left out; at most <paramref name="max"/>.</summary>
    IReadOnlyList<StorePathName> Referrers(string fqrn, StorePathName path, int max);
}

/// <summary>A path that came or went.</summary>
/// <param name="Path">Its registration.</param>
/// <param name="Came">False: it went.</param>
/// <param name="Revision">The revision that did it last.</param>
public sealed record PathChange(PathInfo Path, bool Came, ulong Revision);

/// <summary>A revision and the event that made it.</summary>
/// <param name="Event">In the repository's journal.</param>
/// <param name="Revision">Of the event.</param>
/// <param name="Epoch">Leadership it was committed under; 0 when that was not looked up.</param>
public sealed record PastRevision(SequencedEvent Event, Model.Repositories.Revision Revision, ulong Epoch = 0)
{
    /// <summary>Decisions that came with it; none for the first revision.</summary>
    public IReadOnlyList<Model.Transactions.TransactionOutcome> Outcomes => Event.Event is Model.Repositories.RevisionCommitted e ? e.Outcomes : [];
}
