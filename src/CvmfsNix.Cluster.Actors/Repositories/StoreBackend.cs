using System.Text;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>A repository store behind the model's terms: translates, and keeps long lists out of messages.</summary>
internal sealed class StoreBackend(RepositoryDefinition definition, RepositoryStore store, StoreLayout layout, KeyFolder keyFolder) : IRepositoryBackend
{
    /// <summary>Validity of a new whitelist, as stock publishers give it.</summary>
    private static readonly TimeSpan WhitelistValidity = TimeSpan.FromDays(30);

    // Adopting and applying both write the index: one at a time.
    private readonly SemaphoreSlim _index = new(1, 1);
    private readonly string _fqrn = definition.Repository.Value;
    private RepositoryKeySet? _keys;

    public RepositoryStore Store => store;

    public RepositoryDefinition Definition => definition;

    public long AppliedSequence => store.AppliedSequence;

    public ulong IndexedRevision => store.IndexedRevision;

    public ulong ServedRevision
    {
        get
        {
            var file = Path.Combine(layout.RepositoryFolder(_fqrn), ".cvmfspublished");
            return File.Exists(file) ? Manifest.ParseSigned(File.ReadAllBytes(file)).Manifest.Revision : 0;
        }
    }

    public string? KeyProblem()
    {
        try
        {
            _keys = keyFolder.TryLoad(_fqrn);
        }
        catch (KeyFileException e)
        {
            return e.Message;
        }

        if (_keys is null)
            return $"The keys of {_fqrn} are not in {keyFolder.Directory}. Copy them from the node that created the repository.";
        return StoreBackends.CertificateObject(_keys, definition.HashAlgorithm) == definition.Certificate
            ? null
            : $"The certificate of {_fqrn} in {keyFolder.Directory} is not the one the repository was created with. Put the right key files there.";
    }

    public async Task<Revision> PrepareInitialAsync(DateTimeOffset now, CancellationToken ct) =>
        FromStore(await store.PrepareInitialAsync(Keys, now, ct).ConfigureAwait(false));

    public FreshWhitelist? SignWhitelist(DateTimeOffset now)
    {
        if (Keys.MasterKey is not { } master)
            return null;
        var second = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
        var whitelist = new Whitelist
        {
            CreatedAt = second,
            ExpiresAt = second + WhitelistValidity,
            RepositoryName = _fqrn,
            Fingerprints = [Keys.Certificate.Fingerprint()],
        };
        return new FreshWhitelist(whitelist.Sign(master, definition.HashAlgorithm), whitelist.ExpiresAt);
    }

    public async Task<PreparedBatch> PrepareAsync(RevisionHead head, IReadOnlyList<SealedTransaction> batch, DateTimeOffset now, CancellationToken ct)
    {
        var members = batch.Select(t => new CommitMember(t.Id.Value, t.BundleDigest)).ToList();
        var prepared = await store.PrepareAsync(ToStore(head), members, Keys, now, ct).ConfigureAwait(false);
        var revision = prepared.Revision is { } r ? FromStore(r) : null;
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

        return new PreparedBatch(outcomes, revision);
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
        await _index.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var bytes = ClusterSerializer.Bytes(@event);
            await (@event switch
            {
                RepositoryCreated e => store.ApplyCreatedAsync(sequenceNumber, bytes, e.Whitelist, ToStore(e.Initial), ct),
                RevisionCommitted e => store.ApplyRevisionAsync(sequenceNumber, bytes, ToStore(e.Revision), ct),
                WhitelistRenewed e => store.ApplyWhitelistAsync(sequenceNumber, bytes, e.Whitelist, ct),
                Collected e => store.ApplyCollectedAsync(sequenceNumber, bytes, e.Objects, ct),
                _ => Task.CompletedTask,
            }).ConfigureAwait(false);
        }
        finally
        {
            _index.Release();
        }
    }

    public Task ReindexAsync(Revision revision, CancellationToken ct) => store.ReindexAsync(ToStore(revision), ct);

    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync().ConfigureAwait(false);
        _index.Dispose();
    }

    private RepositoryKeys Keys => (_keys ??= keyFolder.TryLoad(_fqrn))?.Cvmfs
        ?? throw new KeyFileException($"The keys of {_fqrn} are not in {keyFolder.Directory}. Copy them from the node that created the repository.");

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

    private static Revision FromStore(CommittedRevision r) => new(
        new RevisionHead
        {
            Revision = r.Head.Revision,
            RootHash = r.Head.RootHash,
            RootSize = r.Head.RootSize,
            StoreCatalog = r.Head.StoreCatalog,
            StoreCatalogSize = r.Head.StoreCatalogSize,
            History = r.Head.History,
            PublishedAt = r.Head.PublishedAt,
            Previous = r.Head.Previous,
            NamedTags = r.Head.NamedTags,
            Paths = r.Head.Paths,
        },
        r.SignedManifest,
        r.PathInfoDigest,
        r.DeltaDigest,
        r.Superseded,
        [.. r.Profiles.Select(p => new ProfileGenerationRecord(p.Profile, p.Generation, p.Target))]);

    private static CommittedRevision ToStore(Revision r) => new(
        ToStore(r.Head), r.SignedManifest, r.PathInfoDigest, r.DeltaDigest, r.Superseded, [.. r.Profiles.Select(p => new ProfileGeneration(p.Name, p.Generation, p.Target))]);

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
    };
}
