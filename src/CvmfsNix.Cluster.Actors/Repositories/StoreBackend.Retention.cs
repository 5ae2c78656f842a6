using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What may go, and revisions without it.</content>
internal sealed partial class StoreBackend
{
    private const int RemovalTries = 3;

    /// <summary>For fewer revisions nobody looks.</summary>
    private const int ForgottenAtOnceMin = 32;

    private long _neededWithoutPaths;

    /// <summary>Of the time, how much a look at all record files takes.</summary>
    private const double PlanningShare = 0.3;

    public Task<RetentionPlan> PlanRemovalAsync(RepositoryState state, DateTimeOffset now, CancellationToken ct) =>
        Task.Run(() => RetentionPlanner.Plan(Facts(ct), RootsOf(state), now), ct);

    public Task<IReadOnlyList<StorePathName>> DependentsAsync(StorePathName path, CancellationToken ct) =>
        Task.Run(() => RetentionPlanner.WithDependents(Facts(ct), path), ct);

    public async Task<Revision?> PrepareRemovalAsync(
        RevisionHead head, IReadOnlyCollection<StorePathName> paths, bool keepNeeded, IReadOnlyList<ProfileGenerationRecord> drop, DateTimeOffset now, CancellationToken ct)
    {
        await BringCatalogsAsync(head, ct).ConfigureAwait(false);
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                if (await store.PrepareRemovalAsync(ToStore(head), paths, keepNeeded, [.. drop.Select(ToStore)], Keys, now, ct).ConfigureAwait(false) is not { } made)
                    return null;
                if (copies.Needed)
                    await copies.EnsureAsync(store, StoreItems.OfCommit(store, made), _fqrn, CopiesPatience, ct, fresh: true).ConfigureAwait(false);
                return FromStore(made);
            }
            catch (IncompleteStoreException e) when (copies.Needed && attempt < RemovalTries)
            {
                // A leader need not hold the catalogs of all paths itself.
                var missing = e.Missing.Where(n => ObjectName.TryParse(n, out _)).Select(n => StoreItem.Of(ObjectName.Parse(n))).ToList();
                if (missing.Count == 0 || (await copies.PullAsync(store, missing, ct).ConfigureAwait(false)).Count > 0)
                    throw;
            }
        }
    }

    public async Task<RollbackPlan> PlanRollbackAsync(RepositoryState state, IReadOnlyList<Revision> since, CancellationToken ct)
    {
        // A leader need not have the lists of every revision itself.
        if (copies.Needed)
        {
            await copies.PullAsync(
                store,
                [.. since.Where(r => !IsForgotten(r)).Select(r => r.PathInfoDigest).Where(d => !store.Blobs.Contains(d)).Select(StoreItem.OfBlob)],
                ct).ConfigureAwait(false);
        }

        return await Task.Run(() => RollbackPlanner.Plan(since.Select(Change), Facts(ct), state.Generations), ct).ConfigureAwait(false);

        RevisionChange Change(Revision revision)
        {
            ct.ThrowIfCancellationRequested();
            // Of what it brought, nothing is left.
            if (IsForgotten(revision))
                return new RevisionChange([], [], revision.Profiles, revision.DroppedGenerations);
            return new RevisionChange(
                [.. PathInfoFile.Read(Open(revision), revision.PathInfoDigest).Select(i => i.Path)],
                revision.PathsRemoved == 0 ? [] : [.. PathInfoFile.ReadRemovedNames(Open(revision), revision.PathInfoDigest)],
                revision.Profiles,
                revision.DroppedGenerations);
        }

        bool IsForgotten(Revision revision) => state.Forgotten.Contains(revision.Head.Revision);

        Stream Open(Revision revision) =>
            store.Blobs.OpenRead(revision.PathInfoDigest) ?? throw new IncompleteStoreException(_fqrn, $"the list of revision {revision.Head.Revision}", [revision.PathInfoDigest]);
    }

    public async Task<Revision?> PrepareReturnAsync(RepositoryState state, RollbackPlan plan, DateTimeOffset now, CancellationToken ct)
    {
        var head = state.Head!;
        await BringCatalogsAsync(head, ct).ConfigureAwait(false);
        var prepared = await store.PrepareReturnAsync(
            ToStore(head), plan.Returning, [.. plan.Profiles.Select(p => (p.Profile, p.Target))], RulesOf(state), Keys, now, ct).ConfigureAwait(false);
        if (prepared.Revision is not { } made)
            return null;
        if (copies.Needed)
        {
            await copies.EnsureAsync(store, StoreItems.OfCommit(store, made), _fqrn, CopiesPatience, ct, fresh: true).ConfigureAwait(false);
            if (prepared.Revived.Count > 0)
                await copies.EnsureAsync(store, [.. prepared.Revived.Select(StoreItem.Of)], _fqrn, CopiesPatience, ct).ConfigureAwait(false);
        }

        return FromStore(made);
    }

    public async Task PassRecordsAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct)
    {
        await _index.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await store.PassRecordsAsync(sequenceNumber, ClusterSerializer.Archived(@event), ToStore(((RevisionCommitted)@event).Revision), ct).ConfigureAwait(false);
        }
        finally
        {
            _index.Release();
        }
    }

    public async Task PassForgottenAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct)
    {
        await _index.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await store.PassForgottenAsync(sequenceNumber, ClusterSerializer.Archived(@event), ToStore(((RevisionCommitted)@event).Revision), ct).ConfigureAwait(false);
        }
        finally
        {
            _index.Release();
        }
    }

    public async Task<RevisionSet> PlanForgettingAsync(RepositoryState state, IReadOnlyCollection<RevisionRecords> kept, CancellationToken ct)
    {
        // A look costs the reading of all of them: it has to be worth it, and what was needed the last time mostly is again.
        var withPaths = store.Index.RevisionsWithPaths.ToHashSet();
        long without = kept.Count(r => r.Revision <= state.ExpiredRemoval && !withPaths.Contains(r.Revision));
        if (without - _neededWithoutPaths < Math.Max(ForgottenAtOnceMin, kept.Count / 10))
            return RevisionSet.Empty;
        // Whoever passes such a revision over takes none of its objects either: only where they are gone for good, or reached otherwise.
        var bounds = new RecordBounds(state.ExpiredRemoval, [.. state.Removals.Select(r => r.Revision)], [.. (state.Head?.NamedTags ?? []).Select(t => t.Revision)]);
        if (copies.Needed)
            await copies.PullAsync(store, [.. kept.Select(r => StoreItem.OfBlob(r.PathInfoDigest))], ct).ConfigureAwait(false);
        var found = RevisionSet.Of(await Task.Run(() => RecordUse.FindForgettableAsync(store, [.. kept], bounds, PlanningShare, ct), ct).ConfigureAwait(false));
        _neededWithoutPaths = without - found.Count;
        return found;
    }

    public Task ReindexForgottenAsync(Revision revision, CancellationToken ct) => store.ReindexForgottenAsync(revision.Head.Revision, revision.Head.Previous?.Revision ?? 0, ct);

    // What revisions add does not tell what is needed, when some were passed over without their objects: the catalogs do, those of tags too.
    private async Task CompleteBelowAsync(IRepositoryEvent @event, RevisionHead head, CancellationToken ct)
    {
        ObjectHash[] roots = [head.RootHash, .. head.Previous is { } previous ? [previous.RootHash] : Array.Empty<ObjectHash>(), .. head.NamedTags.Select(t => t.RootHash)];
        while (await Task.Run(() => store.MissingBelow(roots.Distinct(), IncompleteStoreException.MissingMax, ct), ct).ConfigureAwait(false) is { Count: > 0 } missing)
        {
            var left = await copies.PullAsync(store, [.. missing.Select(StoreItem.Of)], ct).ConfigureAwait(false);
            if (left.Count > 0)
                throw new IncompleteStoreException(_fqrn, $"revision {head.Revision} and its tags", [.. left.Select(i => i.ToString())]);
        }

        // Removed paths that can be had back: this store counts as one that has them. Some may be gone for good by an event that comes after this one.
        var removals = store.Index.Removals.Select(r => r.Digest).Concat(RevisionOf(@event) is { PathsRemoved: > 0 } removal ? [removal.PathInfoDigest] : []);
        foreach (var digest in removals.Distinct(StringComparer.Ordinal))
        {
            foreach (var part in ObjectsOfRemoval(digest).Chunk(IncompleteStoreException.MissingMax))
                await copies.PullAsync(store, part, ct).ConfigureAwait(false);
        }

        await store.MarkCompleteAsync(ct).ConfigureAwait(false);
    }

    private IEnumerable<StoreItem> ObjectsOfRemoval(string digest) => store.Blobs.OpenRead(digest) is { } file
        ? PathInfoFile.ReadRemoved(file, definition.HashAlgorithm, digest).SelectMany(p => p.Objects).Where(o => !store.Objects.Refresh(o.Name)).Select(o => StoreItem.Of(o.Name))
        : [];

    /// <summary>What a state has to say about what is kept.</summary>
    public static RetentionRoots RootsOf(RepositoryState state) => new(
        state.Retention, state.Generations, [.. state.Pins.Values], [.. (state.Head?.NamedTags ?? []).Select(t => new TaggedRevision(t.Name, t.Revision))]);

    private CommitRules RulesOf(RepositoryState state) => state.Withdrawn.Count == 0 && state.Removals.Count == 0
        ? CommitRules.None
        : new CommitRules(state.Withdrawn.Values.ToDictionary(t => t.Path, t => t.Reason), [.. state.Removals.Select(r => r.Digest)])
        {
            Bring = copies.Needed
                ? async (missing, ct) => [.. (await copies.PullAsync(store, [.. missing.Select(StoreItem.Of)], ct).ConfigureAwait(false)).Select(i => i.Object)]
                : null,
        };

    /// <summary>All paths of the index, as far as their keeping is concerned.</summary>
    public IReadOnlyList<PathFacts> Facts(CancellationToken ct)
    {
        var facts = new List<PathFacts>();
        foreach (var (path, references, revision, publishedAt) in store.Index.Paths.Facts())
        {
            ct.ThrowIfCancellationRequested();
            facts.Add(new PathFacts(path, references, revision, publishedAt ?? DateTimeOffset.MaxValue));
        }

        return facts;
    }
}
