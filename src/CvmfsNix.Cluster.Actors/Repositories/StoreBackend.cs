using System.Collections.Concurrent;
using System.Text;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Actors.Telemetry;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>A repository store behind the model's terms: translates, and keeps long lists out of messages.</summary>
internal sealed partial class StoreBackend(RepositoryDefinition definition, RepositoryStore store, StoreLayout layout, KeyFolder keyFolder, StoreCopies copies, SemaphoreSlim warming) : IRepositoryBackend
{
    /// <summary>How long a commit waits for stores before it is put off.</summary>
    private static readonly TimeSpan CopiesPatience = TimeSpan.FromSeconds(3);

    private const int SecuredAtOnce = 4;

    // Adopting and applying both write the index: one at a time.
    private readonly SemaphoreSlim _index = new(1, 1);
    private readonly string _fqrn = definition.Repository.Value;
    private readonly ConcurrentDictionary<TransactionId, IReadOnlyList<string>> _secured = new();

    public RepositoryStore Store => store;

    public RepositoryDefinition Definition => definition;

    public long AppliedSequence => store.AppliedSequence;

    public IRepositoryEvent? AppliedEvent(long sequenceNumber) =>
        store.FindAppliedEvent(sequenceNumber) is { } kept && ClusterSerializer.ReadArchived(kept.Event.Span) is ({ } read, _) ? read as IRepositoryEvent : null;

    public ulong IndexedRevision => store.IndexedRevision;

    public ulong ServedRevision
    {
        get
        {
            var file = Path.Combine(layout.RepositoryFolder(_fqrn), ".cvmfspublished");
            return File.Exists(file) ? Manifest.ParseSigned(File.ReadAllBytes(file)).Manifest.Revision : 0;
        }
    }

    public async Task<Revision> PrepareInitialAsync(DateTimeOffset now, CancellationToken ct)
    {
        var initial = await store.PrepareInitialAsync(Keys, now, ct).ConfigureAwait(false);
        if (copies.Needed)
            await copies.EnsureAsync(store, StoreItems.OfCommit(store, initial), _fqrn, CopiesPatience, ct).ConfigureAwait(false);
        return FromStore(initial);
    }

    public async Task WarmAsync(RevisionHead head, CancellationToken ct)
    {
        await warming.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await store.WarmAsync(ToStore(head), ct).ConfigureAwait(false);
        }
        finally
        {
            warming.Release();
        }
    }

    public Task<PreparedBatch> PrepareAsync(RevisionHead head, IReadOnlyList<SealedTransaction> batch, DateTimeOffset now, CancellationToken ct) =>
        PrepareAsync(head, batch, CommitRules.None, now, ct);

    public Task<PreparedBatch> PrepareAsync(RepositoryState state, IReadOnlyList<SealedTransaction> batch, DateTimeOffset now, CancellationToken ct) =>
        PrepareAsync(state.Head!, batch, RulesOf(state), now, ct);

    private async Task<PreparedBatch> PrepareAsync(RevisionHead head, IReadOnlyList<SealedTransaction> batch, CommitRules rules, DateTimeOffset now, CancellationToken ct)
    {
        var members = batch.Select(t => new CommitMember(t.Id.Value, t.BundleDigest)).ToList();
        await BringCatalogsAsync(head, ct).ConfigureAwait(false);
        var prepared = await store.PrepareAsync(ToStore(head), members, rules, Keys, now, ct).ConfigureAwait(false);
        var revision = prepared.Revision is { } r ? FromStore(r) : null;
        MeasureNixDatabase(prepared.Revision);
        var outcomes = new List<TransactionOutcome>(batch.Count);
        for (int i = 0; i < batch.Count; i++)
        {
            var m = prepared.Outcomes[i];
            var at = m.Status == MemberStatus.Rejected ? head : revision?.Head ?? head;
            outcomes.Add(new TransactionOutcome(
                batch[i].Id,
                m.Status == MemberStatus.Rejected ? TransactionStatus.Rejected : TransactionStatus.Committed,
                m.Status == MemberStatus.Unchanged,
                at.Revision,
                at.RootHash.ToString(),
                m.PathsNew,
                m.PathsPresent,
                await KeptAsync(m, ct).ConfigureAwait(false),
                m.BytesStored,
                m.Status == MemberStatus.Rejected ? new Model.Transactions.Rejection(m.Code ?? "Rejected", m.Message ?? "The transaction was rejected.", m.What ?? "", m.Hint) : null));
        }

        if (copies.Needed)
        {
            IReadOnlyCollection<StoreItem> made = prepared.Revision is { } commit ? StoreItems.OfCommit(store, commit) : [];
            var kept = outcomes.Select(o => o.ContentKept.BlobDigest).OfType<string>().Select(StoreItem.OfBlob);
            await copies.EnsureAsync(store, [.. made, .. kept], batch[0].Id.ToString(), CopiesPatience, ct, fresh: true).ConfigureAwait(false);
            if (prepared.Revived.Count > 0)
                await copies.EnsureAsync(store, [.. prepared.Revived.Select(StoreItem.Of)], batch[0].Id.ToString(), CopiesPatience, ct).ConfigureAwait(false);
            // A store that was lost while the catalogs were made counts no more.
            if (batch.Any(t => !copies.AreEnough(_secured.GetValueOrDefault(t.Id) ?? t.Stores)))
                throw new TooFewCopiesException("A store was lost during the commit; what was on it is copied again first.");
            foreach (var transaction in batch)
                _secured.TryRemove(transaction.Id, out _);
        }

        return new PreparedBatch(outcomes, revision) { CatalogBytes = prepared.Revision?.CatalogBytes ?? 0 };
    }

    public async Task<TagState> PrepareTagsAsync(RevisionHead head, IReadOnlyList<RepositoryTag> tags, DateTimeOffset now, CancellationToken ct)
    {
        var wanted = ToStore(head) with { NamedTags = tags };
        await CompleteTagsAsync(wanted, false, ct).ConfigureAwait(false);
        var made = await store.PrepareTagsAsync(ToStore(head), tags, Keys, now, ct).ConfigureAwait(false);
        if (copies.Needed)
        {
            StoreItem[] items = [StoreItem.Of(new ObjectName(made.Head.History, ObjectKind.History)), .. made.Kept.Select(StoreItem.Of)];
            await copies.EnsureAsync(store, items, _fqrn, CopiesPatience, ct).ConfigureAwait(false);
        }

        return new TagState(FromStore(made.Head), made.SignedManifest, made.Superseded, made.Kept);
    }

    public TimeSpan? NixDatabaseDueIn => store.NixDatabaseDueIn;

    public async Task<Revision?> PrepareNixDatabaseAsync(RevisionHead head, DateTimeOffset now, CancellationToken ct)
    {
        if (!definition.NixDatabase)
            return null;
        await BringCatalogsAsync(head, ct).ConfigureAwait(false);
        if (await store.PrepareNixDatabaseAsync(ToStore(head), Keys, now, ct).ConfigureAwait(false) is not { } made)
            return null;
        MeasureNixDatabase(made);
        if (copies.Needed)
            await copies.EnsureAsync(store, StoreItems.OfCommit(store, made), _fqrn, CopiesPatience, ct, fresh: true).ConfigureAwait(false);
        return FromStore(made);
    }

    private void MeasureNixDatabase(CommittedRevision? made)
    {
        if (made is not { Made.Count: > 0 })
            return;
        var of = new KeyValuePair<string, object?>("repository", _fqrn);
        CoreMetrics.NixDatabaseBytes.Add(store.NixDatabaseStored.Bytes, of);
        CoreMetrics.NixDatabaseDuration.Record(store.NixDatabaseStored.Took.TotalSeconds, of);
    }

    public async Task<IReadOnlyDictionary<TransactionId, string>> SecureAsync(IReadOnlyList<SealedTransaction> batch, CancellationToken ct)
    {
        var problems = new ConcurrentDictionary<TransactionId, string>();
        if (!copies.Needed)
        {
            // Alone it cannot be brought from anywhere; the others of the batch need not wait for it.
            foreach (var lost in batch.Where(t => !store.Blobs.Contains(t.BundleDigest)))
                problems[lost.Id] = $"The bundle {lost.BundleDigest} of transaction {lost.Id} is not in this node's store.";
            return problems;
        }

        await Parallel.ForEachAsync(batch, new ParallelOptions { MaxDegreeOfParallelism = SecuredAtOnce, CancellationToken = ct }, async (transaction, token) =>
        {
            try
            {
                await SecureAsync(transaction, token).ConfigureAwait(false);
            }
            catch (TooFewCopiesException e)
            {
                problems[transaction.Id] = $"{PublishingCodes.TooFewCopies}: {e.Message}";
            }
            catch (Exception e) when (e is IncompleteStoreException or IOException)
            {
                problems[transaction.Id] = e.Message;
            }
        }).ConfigureAwait(false);
        return problems;
    }

    public async Task<(long Applied, string Store)> HighestAppliedElsewhereAsync(CancellationToken ct)
    {
        var (applied, peer) = await copies.HighestAppliedAsync(_fqrn, ct).ConfigureAwait(false);
        return (applied, peer is null ? "" : $"{peer.Id} on {peer.Address}");
    }

    public async Task AdoptAsync(Revision revision, CancellationToken ct)
    {
        await _index.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await store.AdoptAsync(ToStore(revision), ct).ConfigureAwait(false);
        }
        finally
        {
            _index.Release();
        }
    }

    public Task DiscardAsync(CancellationToken ct) => store.DiscardAsync(ct);

    public async Task ApplyAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct)
    {
        if (store.IsIncomplete && HeadOf(@event) is { } head)
            await CompleteBelowAsync(@event, head, ct).ConfigureAwait(false);
        await TakeCertificateAsync(@event, ct).ConfigureAwait(false);
        await _index.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var bytes = ClusterSerializer.Archived(@event);
            await (@event switch
            {
                RepositoryCreated e => store.ApplyCreatedAsync(sequenceNumber, bytes, e.Whitelist, ToStore(e.Initial), ct),
                RevisionCommitted e => store.ApplyRevisionAsync(sequenceNumber, bytes, ToStore(e.Revision), ct),
                WhitelistRenewed e => store.ApplyWhitelistAsync(sequenceNumber, bytes, e.Whitelist, ct),
                Collected e => store.ApplyCollectedAsync(sequenceNumber, bytes, e.Objects, ct),
                ITagEvent e => store.ApplyTagsAsync(sequenceNumber, bytes, ToStore(e.State.Head), e.State.SignedManifest, ct),
                RemovalsExpired e => store.ApplyExpiredAsync(sequenceNumber, bytes, e.UpTo, ct),
                RepositoryContinued e => store.ContinueAsync(sequenceNumber, bytes, e.Revision, ct),
                // They change nothing here, and are as much a part of the history as the others.
                _ => store.ArchiveAsync(sequenceNumber, bytes, ct),
            }).ConfigureAwait(false);
        }
        finally
        {
            _index.Release();
        }
    }

    public async Task PassAsync(long sequenceNumber, IRepositoryEvent @event, bool withCatalogs, CancellationToken ct)
    {
        await TakeCertificateAsync(@event, ct).ConfigureAwait(false);
        await _index.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var bytes = ClusterSerializer.Archived(@event);
            await (@event switch
            {
                RepositoryCreated e => store.PassCreatedAsync(sequenceNumber, bytes, e.Whitelist, ToStore(e.Initial), withCatalogs, ct),
                RevisionCommitted e => store.PassRevisionAsync(sequenceNumber, bytes, ToStore(e.Revision), withCatalogs, ct),
                ITagEvent => store.PassTagsAsync(sequenceNumber, bytes, ct),
                _ => throw new ArgumentException($"{@event.GetType().Name} holds no revision.", nameof(@event)),
            }).ConfigureAwait(false);
        }
        finally
        {
            _index.Release();
        }
    }

    public async Task CompleteAsync(IReadOnlyList<NettedEvent> events, CancellationToken ct)
    {
        await copies.PullAsync(
            store, [.. events.Where(e => e.Effect == EventEffect.PassRecords).Select(e => RevisionOf(e.Event)).OfType<Revision>().SelectMany(r => StoreItems.OfRecords(ToStore(r)))], ct).ConfigureAwait(false);
        await copies.CompleteAsync(
            store,
            [.. events.Where(e => e.Effect is not (EventEffect.PassRecords or EventEffect.PassForgotten)).Select(e => (Revision: RevisionOf(e.Event), WithCatalogs: e.Effect != EventEffect.Pass)).Where(e => e.Revision is not null).Select(e => (ToStore(e.Revision!), e.WithCatalogs))],
            ct).ConfigureAwait(false);
        if (events.LastOrDefault(e => e.Effect == EventEffect.Apply && HeadOf(e.Event) is not null).Event is not { } last)
            return;
        await CompleteRootAsync(ToStore(HeadOf(last)!), ct).ConfigureAwait(false);
        await CompleteTagsAsync(ToStore(HeadOf(last)!), last is ITagEvent, ct).ConfigureAwait(false);
    }

    // Pieces of the database of Nix that came with revisions which were passed over.
    private async Task CompleteRootAsync(RepositoryHead head, CancellationToken ct)
    {
        if (store.MissingOfRoot(head) is { Count: > 0 } missing)
            await copies.PullAsync(store, [.. missing.Select(StoreItem.Of)], ct).ConfigureAwait(false);
    }

    // Tagged revisions may have been passed over without their catalogs. A root catalog tells which store catalog it needs.
    private async Task CompleteTagsAsync(RepositoryHead head, bool withHistory, CancellationToken ct)
    {
        if (withHistory && store.Objects.FindMissing(StoreItems.HotObjects(head)) is { Count: > 0 } hot)
            await copies.PullAsync(store, [.. hot.Select(StoreItem.Of)], ct).ConfigureAwait(false);
        for (int step = 0; step < 2 && store.MissingOfTags(head) is { Count: > 0 } missing; step++)
            await copies.PullAsync(store, [.. missing.Select(StoreItem.Of)], ct).ConfigureAwait(false);
    }

    public async Task ReindexAsync(Revision revision, CancellationToken ct)
    {
        var committed = ToStore(revision);
        await copies.PullAsync(store, StoreItems.OfRecords(committed), ct).ConfigureAwait(false);
        await store.ReindexAsync(committed, ct).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync().ConfigureAwait(false);
        _index.Dispose();
    }

    // The leader need not have been the gateway: it may lack the bundle, and with it everything.
    private async Task SecureAsync(SealedTransaction transaction, CancellationToken ct)
    {
        if (!store.Blobs.Contains(transaction.BundleDigest)
            && await copies.PullAsync(store, [StoreItem.OfBlob(transaction.BundleDigest)], ct).ConfigureAwait(false) is { Count: > 0 })
        {
            throw new IncompleteStoreException(_fqrn, $"transaction {transaction.Id}", [transaction.BundleDigest]);
        }

        if (copies.AreEnough(_secured.GetValueOrDefault(transaction.Id) ?? transaction.Stores))
            return;
        _secured[transaction.Id] = await copies.EnsureBundleAsync(store, transaction.BundleDigest, transaction.Id.ToString(), CopiesPatience, ct).ConfigureAwait(false);
    }

    private async Task BringCatalogsAsync(RevisionHead head, CancellationToken ct)
    {
        ObjectName[] catalogs = [new(head.RootHash, ObjectKind.Catalog), new(head.StoreCatalog, ObjectKind.Catalog)];
        if (copies.Needed && store.Objects.FindMissing(catalogs) is { Count: > 0 } missing)
            await copies.PullAsync(store, [.. missing.Select(StoreItem.Of)], ct).ConfigureAwait(false);
        // What of it cannot be had is made anew.
        await CompleteRootAsync(ToStore(head), ct).ConfigureAwait(false);
    }

    private static Revision? RevisionOf(IRepositoryEvent @event) => @event switch
    {
        RepositoryCreated e => e.Initial,
        RevisionCommitted e => e.Revision,
        _ => null,
    };

    private static RevisionHead? HeadOf(IRepositoryEvent @event) => RevisionOf(@event)?.Head ?? (@event as ITagEvent)?.State.Head;

    private async Task<KeptContent> KeptAsync(MemberOutcome member, CancellationToken ct)
    {
        if (member.ContentKept.Count == 0)
            return KeptContent.None;
        return await KeptAsync([.. member.ContentKept.Select(p => p.Value)], ct).ConfigureAwait(false);
    }

    /// <summary>A list of base names in the form that travels: as it is, or as the digest of a durable blob.</summary>
    public async Task<KeptContent> KeptAsync(IReadOnlyList<string> paths, CancellationToken ct)
    {
        if (paths.Count <= KeptContent.InlineMax)
            return new KeptContent(paths, null);
        var text = Encoding.ASCII.GetBytes(string.Join('\n', paths));
        return new KeptContent([], await store.Blobs.PutAsync(s => s.WriteAsync(text, ct).AsTask(), ct).ConfigureAwait(false));
    }

    internal static Revision FromStore(CommittedRevision r) => new(
        FromStore(r.Head),
        r.SignedManifest,
        r.PathInfoDigest,
        r.DeltaDigest,
        r.Superseded,
        [.. r.Profiles.Select(FromStore)])
    {
        PathsRemoved = r.PathsRemoved,
        DroppedGenerations = [.. r.DroppedGenerations.Select(FromStore)],
    };

    private static ProfileGenerationRecord FromStore(ProfileGeneration p) => new(p.Profile, p.Generation, p.Target);

    private static ProfileGeneration ToStore(ProfileGenerationRecord p) => new(p.Name, p.Generation, p.Target);

    private static RevisionHead FromStore(RepositoryHead h) => new()
    {
        Revision = h.Revision,
        RootHash = h.RootHash,
        RootSize = h.RootSize,
        StoreCatalog = h.StoreCatalog,
        StoreCatalogSize = h.StoreCatalogSize,
        History = h.History,
        PublishedAt = h.PublishedAt,
        Previous = h.Previous,
        NamedTags = h.NamedTags,
        Paths = h.Paths,
        TaggedAt = h.TaggedAt,
        CommittedHistory = h.CommittedHistory,
        ContinueAfter = h.ContinueAfter,
    };

    private static CommittedRevision ToStore(Revision r) => new(
        ToStore(r.Head), r.SignedManifest, r.PathInfoDigest, r.DeltaDigest, r.Superseded, [.. r.Profiles.Select(ToStore)])
    {
        PathsRemoved = r.PathsRemoved,
        DroppedGenerations = [.. r.DroppedGenerations.Select(ToStore)],
    };

    private static RepositoryHead ToStore(RevisionHead h) => new()
    {
        Revision = h.Revision,
        RootHash = h.RootHash,
        RootSize = h.RootSize,
        StoreCatalog = h.StoreCatalog,
        StoreCatalogSize = h.StoreCatalogSize,
        History = h.History,
        PublishedAt = h.PublishedAt,
        Previous = h.Previous,
        NamedTags = h.NamedTags,
        Paths = h.Paths,
        TaggedAt = h.TaggedAt,
        CommittedHistory = h.CommittedHistory,
        ContinueAfter = h.ContinueAfter,
    };
}
