using System.Runtime.CompilerServices;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <inheritdoc cref="IRepositoryHistory"/>
internal sealed class RepositoryHistory(LocalRepositories local, IJournalReader journal) : IRepositoryHistory
{
    /// <summary>Events looked at for each revision that is wanted, at first: a commit is one event, upkeep some more.</summary>
    private const int EventsPerRevision = 4;

    public async Task<IReadOnlyList<PastRevision>> RevisionsAsync(string fqrn, int max, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        long window = (long)max * EventsPerRevision;
        while (true)
        {
            long from = Math.Max(1, repository.SeenSequence - window + 1);
            var found = new List<PastRevision>();
            await foreach (var past in ReadAsync(repository, from, ct).ConfigureAwait(false))
                found.Add(past);
            if (found.Count >= max || from == 1)
                return [.. found.AsEnumerable().Reverse().Take(max)];
            window *= EventsPerRevision;
        }
    }

    public async Task<PastRevision?> RevisionAsync(string fqrn, ulong revision, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        if (revision == 0 || revision > repository.Revision)
            return null;
        // Every revision is at least one event, so none lies before its own number.
        await foreach (var past in ReadAsync(repository, (long)revision, ct).ConfigureAwait(false))
        {
            if (past.Revision.Head.Revision == revision)
                return past;
            if (past.Revision.Head.Revision > revision)
                break;
        }

        return null;
    }

    public async IAsyncEnumerable<PathChange> ChangesAsync(string fqrn, ulong after, ulong upTo, [EnumeratorCancellation] CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        var store = Store(repository);
        // The first thing that happened to a path tells whether it was there, the last one whether it is.
        var paths = new SortedDictionary<string, (bool Was, PathChange Last)>(StringComparer.Ordinal);
        await foreach (var past in ReadAsync(repository, Math.Max(1, (long)after), ct).ConfigureAwait(false))
        {
            ulong revision = past.Revision.Head.Revision;
            if (revision <= after)
                continue;
            if (revision > upTo)
                break;
            string digest = past.Revision.PathInfoDigest;
            // Of what it brought, nothing is left.
            if (!store.Blobs.Contains(digest) && await repository.IsForgottenAsync(revision, ct).ConfigureAwait(false))
                continue;
            foreach (var info in PathInfoFile.Read(Open(digest, revision), digest))
                Note(new PathChange(info, true, revision));
            if (past.Revision.PathsRemoved == 0)
                continue;
            foreach (var record in PathInfoFile.ReadRemoved(Open(digest, revision), store.Format.HashAlgorithm, digest))
                Note(new PathChange(record.Info, false, revision));
        }

        foreach (var (was, last) in paths.Values)
        {
            if (was != last.Came)
                yield return last;
        }

        void Note(PathChange change) =>
            paths[change.Path.Path.Value] = (paths.TryGetValue(change.Path.Path.Value, out var known) ? known.Was : !change.Came, change);

        Stream Open(string digest, ulong revision) => store.Blobs.OpenRead(digest)
            ?? throw new PublishingException(PublishingCodes.UnknownRevision, $"This node has no list of the paths of revision {revision}.", fqrn, "Ask another node.");
    }

    public IndexedPath? Find(string fqrn, StorePathName path) => Store(local.Require(fqrn)).Index.Paths.Find(path);

    public IReadOnlyList<StorePathName> NamesThatBegin(string fqrn, string prefix, int max) =>
        [.. Store(local.Require(fqrn)).Index.Paths.All().Select(p => p.Info.Path).SkipWhile(p => string.CompareOrdinal(p.Value, prefix) < 0).TakeWhile(p => p.Value.StartsWith(prefix, StringComparison.Ordinal)).Take(max)];

    public IReadOnlyList<StorePathName> Referrers(string fqrn, StorePathName path, int max) =>
        [.. Store(local.Require(fqrn)).Index.Paths.All().Where(p => p.Info.Path != path && p.Info.References.Contains(path)).Select(p => p.Info.Path).Take(max)];

    private async IAsyncEnumerable<PastRevision> ReadAsync(LocalRepository repository, long from, [EnumeratorCancellation] CancellationToken ct)
    {
        long seen = repository.SeenSequence;
        ulong epoch = 0;
        await foreach (var (sequence, @event) in journal.ReadAsync(PersistenceIds.Repository(repository.Definition.Repository), from, ct).ConfigureAwait(false))
        {
            if (sequence > seen)
                yield break;
            if (@event is LeaderStarted started)
                epoch = started.Epoch;
            var revision = @event switch
            {
                RepositoryCreated created => created.Initial,
                RevisionCommitted committed => committed.Revision,
                _ => null,
            };
            if (revision is not null)
                yield return new PastRevision(new SequencedEvent(sequence, (IRepositoryEvent)@event), revision, epoch);
        }
    }

    private static RepositoryStore Store(LocalRepository repository) => repository.Backend is StoreBackend backend
        ? backend.Store
        : throw new PublishingException(PublishingCodes.UnknownRepository, $"This node has no store of {repository.Definition.Repository}.", repository.Definition.Repository.Value, "Ask another node.");
}
