using CvmfsNix.Cluster.Model.Copies;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>
/// Keeps what must not be lost on as many stores as the rules ask for, and brings here what only others have. Stateless but for the connections:
/// every answer is made of what the stores say at that moment. Thread-safe.
/// </summary>
/// <param name="rules">How many copies.</param>
/// <param name="set">The stores of the moment.</param>
/// <param name="peers">The way to the others; null where there is none.</param>
/// <param name="severalNodes">This node is one of several: what it needs may lie on another one, also where one copy is enough.</param>
/// <param name="clock">For patience.</param>
internal sealed class StoreCopies(CopyRules rules, StoreSet set, PeerClient? peers, bool severalNodes, TimeProvider clock)
{
    private const int PullItems = 256;
    private const int PullsAtOnce = 4;
    private const int PushItems = 4_096;
    private const long PushBytes = 16 << 20;
    private const int PushesAtOnce = 3;
    private const int BundleAttempts = 3;

    /// <summary>What is not larger is handed over without the question what of it is there already: its answer would cost more than it saves.</summary>
    private const int UnaskedItems = 64;
    private const long UnaskedBytes = 256 << 10;

    /// <summary>A peer that failed is not asked again before this.</summary>
    private static readonly TimeSpan RestAfterFailure = TimeSpan.FromMilliseconds(300);

    /// <summary>When nobody has confirmed for so long, one store more is asked: a slow one holds nobody up.</summary>
    private static readonly TimeSpan HedgeAfter = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan AppliedTimeout = TimeSpan.FromSeconds(3);

    /// <summary>Whether other stores than this node's count.</summary>
    public bool Needed => severalNodes || rules.Copies > 1;

    /// <summary>The store set.</summary>
    public StoreSet Set => set;

    private IReadOnlyList<StoreMember> Others => peers is null ? [] : set.Others;

    /// <summary>Whether these stores' confirmations are enough now.</summary>
    public bool AreEnough(IReadOnlyCollection<string> confirmed) => rules.AreEnough(confirmed, set.Stores);

    /// <summary>Whether there are stores enough at this moment for anything to be confirmed.</summary>
    public bool CanBeMade
    {
        get
        {
            var stores = set.Stores;
            return rules.AreEnough([.. stores.Select(s => s.Id)], stores);
        }
    }

    /// <summary>Completes when there are stores enough for anything to be confirmed.</summary>
    /// <exception cref="TooFewCopiesException">There were not within <paramref name="patience"/>.</exception>
    public async Task WaitForStoresAsync(TimeSpan patience, CancellationToken ct)
    {
        long started = clock.GetTimestamp();
        while (true)
        {
            var changed = set.Changed;
            var stores = set.Stores;
            if (!Needed || rules.AreEnough([.. stores.Select(s => s.Id)], stores))
                return;
            var left = patience - clock.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
                throw TooFew([], null);
            await Task.WhenAny(changed, Task.Delay(left, clock, ct)).ConfigureAwait(false);
            ct.ThrowIfCancellationRequested();
        }
    }

    /// <summary>
    /// On return the items are durable on stores enough. What this node lacks is taken from a survivor first. The time spent on stores that
    /// work counts for nothing; <paramref name="patience"/> is for the time in which there are too few.
    /// </summary>
    /// <param name="store">The repository here.</param>
    /// <param name="items">What must not be lost.</param>
    /// <param name="seed">As a transaction id: the same seed prefers the same stores.</param>
    /// <param name="patience">How long to wait for stores.</param>
    /// <param name="ct">Gives up.</param>
    /// <param name="fresh">No store is asked what of it it has: most likely nothing, or it is little.</param>
    /// <returns>Ids of the stores that have confirmed.</returns>
    /// <exception cref="TooFewCopiesException">There were too few stores for too long.</exception>
    /// <exception cref="IncompleteStoreException">No reachable store has some of the items.</exception>
    public async Task<IReadOnlyList<string>> EnsureAsync(RepositoryStore store, IReadOnlyCollection<StoreItem> items, string seed, TimeSpan patience, CancellationToken ct, bool fresh = false)
    {
        var own = new StoreTransfer(store);
        var lacking = await own.ConfirmDurableAsync(items, ct).ConfigureAwait(false);
        if (lacking.Count > 0 && (await PullAsync(store, lacking, ct).ConfigureAwait(false)) is { Count: > 0 } lost)
            throw new IncompleteStoreException(store.Format.Repository, "a transaction", [.. lost.Take(IncompleteStoreException.MissingMax).Select(i => i.ToString())]);
        if (!Needed)
            return [set.OwnId];

        var confirmed = new HashSet<string>(StringComparer.Ordinal) { set.OwnId };
        var running = new Dictionary<Task, StoreMember>();
        var rests = new Dictionary<string, long>(StringComparer.Ordinal);
        string? problem = null;
        long? shortSince = null;
        long progressAt = clock.GetTimestamp();
        int hedges = 0;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        try
        {
            while (true)
            {
                var changed = set.Changed;
                var stores = set.Stores;
                if (rules.AreEnough(confirmed, stores))
                    return [.. confirmed];

                string[] asked = [.. confirmed, .. running.Values.Select(p => p.Id)];
                int wanted = Math.Max(1, rules.Copies - stores.Count(s => confirmed.Contains(s.Id))) + hedges;
                foreach (var peer in peers is null ? [] : CopyRules.Order(stores, asked, seed))
                {
                    if (running.Count >= wanted)
                        break;
                    if (rests.TryGetValue(peer.Id, out long since) && clock.GetElapsedTime(since) < RestAfterFailure)
                        continue;
                    running.Add(GiveAsync(peer, store.Format.Repository, own, items, fresh, stop.Token), peer);
                }

                // Stores that answer but fail again and again are no hope: only one that has not failed yet stops the clock, and one that works now
                // is not interrupted.
                bool hopeful = rules.AreEnough([.. confirmed, .. running.Values.Select(p => p.Id).Where(id => !rests.ContainsKey(id))], stores);
                shortSince = hopeful ? null : shortSince ?? clock.GetTimestamp();
                if (running.Count == 0 && shortSince is { } start && clock.GetElapsedTime(start) >= patience)
                    throw TooFew(confirmed, problem);

                await Task.WhenAny([.. running.Keys, changed, Task.Delay(RestAfterFailure, clock, stop.Token)]).ConfigureAwait(false);
                ct.ThrowIfCancellationRequested();
                foreach (var (task, peer) in running.Where(r => r.Key.IsCompleted).ToList())
                {
                    running.Remove(task);
                    progressAt = clock.GetTimestamp();
                    if (task.IsCompletedSuccessfully)
                    {
                        confirmed.Add(peer.Id);
                    }
                    else
                    {
                        problem = task.Exception?.InnerException?.Message ?? problem;
                        rests[peer.Id] = clock.GetTimestamp();
                    }
                }

                if (running.Count > 0 && clock.GetElapsedTime(progressAt) >= HedgeAfter)
                {
                    hedges++;
                    progressAt = clock.GetTimestamp();
                }
            }
        }
        finally
        {
            // Stores that were too slow to count; a keeper brings them the rest.
            await stop.CancelAsync().ConfigureAwait(false);
            foreach (var task in running.Keys)
                _ = task.ContinueWith(t => t.Exception, TaskScheduler.Default);
        }
    }

    /// <summary>As <see cref="EnsureAsync"/>, for the bundle of a transaction and all that it refers to, part by part: it may be very large.</summary>
    /// <returns>Ids of the stores that have confirmed all of it.</returns>
    public async Task<IReadOnlyList<string>> EnsureBundleAsync(RepositoryStore store, string bundleDigest, string seed, TimeSpan patience, CancellationToken ct)
    {
        for (int attempt = 1; ; attempt++)
        {
            HashSet<string>? confirmed = null;
            foreach (var part in StoreItems.OfBundle(store, bundleDigest).Chunk(PeerPaths.NamesMax))
            {
                bool unasked = part.Length <= UnaskedItems && part.Sum(new StoreTransfer(store).Size) <= UnaskedBytes;
                var ids = await EnsureAsync(store, part, seed, patience, ct, fresh: unasked).ConfigureAwait(false);
                if (confirmed is null)
                    confirmed = [.. ids];
                else
                    confirmed.IntersectWith(ids);
            }

            // Between two parts a store may have gone, and another taken its place: no copy of the whole then.
            if (!Needed || AreEnough(confirmed!))
                return [.. confirmed!];
            if (attempt == BundleAttempts)
                throw TooFew(confirmed!, "Stores came and went while they were asked.");
        }
    }

    /// <summary>Takes from other stores what this one lacks: spread over all of them, and what one does not have from the next.</summary>
    /// <returns>What nobody had; empty when all of it is durable here.</returns>
    public async Task<IReadOnlyList<StoreItem>> PullAsync(RepositoryStore store, IReadOnlyCollection<StoreItem> items, CancellationToken ct)
    {
        var own = new StoreTransfer(store);
        var left = own.FindMissing(items);
        var others = Others;
        int first = others.Count == 0 ? 0 : Random.Shared.Next(others.Count);
        for (int round = 0; round < others.Count && left.Count > 0; round++)
        {
            var parts = left.Chunk(PullItems).Select((part, i) => (Part: part, Peer: others[(first + i + round) % others.Count]));
            await Parallel.ForEachAsync(parts, new ParallelOptions { MaxDegreeOfParallelism = PullsAtOnce, CancellationToken = ct }, async (p, token) =>
            {
                try
                {
                    await peers!.FetchAsync(p.Peer, store.Format.Repository, own, p.Part, token).ConfigureAwait(false);
                }
                catch (PeerException)
                {
                    // The next round asks another store for the same.
                }
            }).ConfigureAwait(false);
            left = own.FindMissing(left);
        }

        return left;
    }

    /// <summary>
    /// Brings here what revisions need: their record files, and the objects these name. Best effort: whether all of it came is for the store to
    /// check when the revisions are applied.
    /// </summary>
    /// <param name="store">The repository here.</param>
    /// <param name="revisions">Each with whether its own catalogs are needed too.</param>
    /// <param name="ct">Gives up.</param>
    public async Task CompleteAsync(RepositoryStore store, IReadOnlyList<(CommittedRevision Revision, bool WithCatalogs)> revisions, CancellationToken ct)
    {
        if (Others.Count == 0)
            return;
        await PullAsync(store, [.. revisions.SelectMany(r => StoreItems.OfRecords(r.Revision))], ct).ConfigureAwait(false);
        var own = new StoreTransfer(store);
        foreach (var part in Needs().Chunk(PullItems * PullsAtOnce * 4))
            await PullAsync(store, part, ct).ConfigureAwait(false);

        IEnumerable<StoreItem> Needs()
        {
            foreach (var (revision, withCatalogs) in revisions)
            {
                if (!store.Blobs.Contains(revision.DeltaDigest))
                    continue;
                foreach (var item in StoreItems.OfDelta(store, revision, withCatalogs))
                {
                    if (!own.Contains(item))
                        yield return item;
                }
            }
        }
    }

    /// <summary>The newest event that any reachable store has applied; a store that does not answer is passed over.</summary>
    public async Task<(long Applied, StoreMember? Store)> HighestAppliedAsync(string repository, CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bounded.CancelAfter(AppliedTimeout);
        var answers = await Task.WhenAll(Others.Select(AskAsync)).ConfigureAwait(false);
        ct.ThrowIfCancellationRequested();
        return answers.DefaultIfEmpty((0, null)).MaxBy(a => a.Item1);

        async Task<(long, StoreMember?)> AskAsync(StoreMember peer)
        {
            try
            {
                return (await peers!.AppliedAsync(peer, repository, bounded.Token).ConfigureAwait(false), peer);
            }
            catch (Exception e) when (e is PeerException or OperationCanceledException)
            {
                return (0, null);
            }
        }
    }

    /// <summary>Stores whose nodes lack the key of a certificate, or cannot tell: as an operator finds them, and why.</summary>
    public async Task<IReadOnlyList<string>> LackingKeyAsync(string repository, string fingerprint, CancellationToken ct)
    {
        var answers = await Task.WhenAll(Others.Select(AskAsync)).ConfigureAwait(false);
        return [.. answers.OfType<string>()];

        async Task<string?> AskAsync(StoreMember peer)
        {
            try
            {
                return (await peers!.CertificatesAsync(peer, repository, ct).ConfigureAwait(false)).Contains(fingerprint) ? null : peer.Address;
            }
            catch (PeerException e)
            {
                return $"{peer.Address} (it could not be asked: {e.Message})";
            }
        }
    }

    private async Task GiveAsync(StoreMember peer, string repository, StoreTransfer own, IReadOnlyCollection<StoreItem> items, bool fresh, CancellationToken ct)
    {
        var missing = fresh ? items : await peers!.HaveAsync(peer, repository, items, ct).ConfigureAwait(false);
        await Parallel.ForEachAsync(Parts(), new ParallelOptions { MaxDegreeOfParallelism = PushesAtOnce, CancellationToken = ct }, async (part, token) =>
            await peers!.PushAsync(peer, repository, own, part.Items, part.Bytes, token).ConfigureAwait(false)).ConfigureAwait(false);

        IEnumerable<(IReadOnlyList<StoreItem> Items, long Bytes)> Parts()
        {
            var part = new List<StoreItem>();
            long bytes = 0;
            foreach (var item in missing)
            {
                part.Add(item);
                bytes += own.Size(item);
                if (part.Count < PushItems && bytes < PushBytes)
                    continue;
                yield return (part, bytes);
                part = [];
                bytes = 0;
            }

            if (part.Count > 0)
                yield return (part, bytes);
        }
    }

    private TooFewCopiesException TooFew(IReadOnlyCollection<string> confirmed, string? problem)
    {
        var stores = set.Stores;
        int have = stores.Count(s => confirmed.Contains(s.Id));
        var sites = stores.Select(s => s.Site).Distinct(StringComparer.Ordinal).Count();
        return new TooFewCopiesException(
            $"{rules.Copies} copies are required{(sites > 1 ? ", in two sites" : "")}; {stores.Count} stores are reachable{(have > 0 ? $", {have} of them confirmed" : "")}.{(problem is null ? "" : " " + problem)}");
    }
}
