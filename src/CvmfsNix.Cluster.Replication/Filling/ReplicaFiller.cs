using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication.Catalogs;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Replication.Trust;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Filling;

/// <summary>
/// Brings revisions of one repository here, whole. What is required is derived from the signed catalogs themselves; hints only make it quicker.
/// Nothing it does is visible: the caller lets the manifest take effect when a filling has returned. Keep one for each repository, since it remembers what the
/// served catalogs name. Thread-safe; fillings wait for each other.
/// </summary>
public sealed class ReplicaFiller : IDisposable
{
    private readonly RepositoryStore _store;
    private readonly ReplicaTarget _target;
    private readonly TrustChain _trust;
    private readonly FetchSources _sources;
    private readonly ReplicationLimits _limits;
    private readonly TimeProvider _clock;
    private readonly CatalogShelf _shelf;
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <param name="store">Where it is brought.</param>
    /// <param name="masterPublicKeyPems">The replica's own keys: one of them must have signed the whitelist.</param>
    /// <param name="sources">Where it is brought from.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="clock">For expiry, rests and progress.</param>
    public ReplicaFiller(RepositoryStore store, IReadOnlyList<string> masterPublicKeyPems, FetchSources sources, ReplicationLimits limits, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(masterPublicKeyPems);
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(clock);
        _store = store;
        _target = new ReplicaTarget(store);
        _trust = new TrustChain(_target.Repository, masterPublicKeyPems, clock);
        _sources = sources;
        _limits = limits;
        _clock = clock;
        _shelf = new CatalogShelf(_target, limits);
    }

    /// <summary>
    /// Brings a revision here. On return its signatures are verified with the own keys, and everything that can be reached from its manifest, the
    /// revisions that its tags name included, is here and survives a power loss; so are the record files asked for.
    /// </summary>
    /// <param name="request">The revision.</param>
    /// <param name="progress">Told a few times a second, from any thread; may be null.</param>
    /// <param name="cancellationToken">Gives up; what came stays.</param>
    /// <exception cref="ReplicationException">Why it is not here. What came stays, and the next attempt asks for the rest.</exception>
    public async Task<FillResult> FillAsync(FillRequest request, IProgress<FillProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        SignedManifest manifest = _trust.ReadManifest(request.SignedManifest);
        SignedWhitelist whitelist = _trust.CheckWhitelist(request.Whitelist);
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var fetch = new RevisionFetch(_target, _shelf, _sources, _limits, _clock, progress, cancellationToken);
            await using (fetch.ConfigureAwait(false))
            {
                // Until it is served, or the next attempt has found it, nothing else says that it is needed.
                _store.BeginFilling(_clock.GetUtcNow());
                // Before anything else: who is not believed does not make us fetch.
                await fetch.VerifyAsync(_trust, manifest, whitelist).ConfigureAwait(false);
                Manifest? served = ServedState.Read(_target.RepositoryFolder);
                await FetchHintedAsync(fetch, request, manifest.Manifest, served, cancellationToken).ConfigureAwait(false);
                await fetch.CompleteAsync(manifest.Manifest, served?.RootHash).ConfigureAwait(false);
                return new FillResult(
                    manifest, whitelist, fetch.Meter.ObjectsDone, fetch.Pool.Bytes, fetch.Pool.BytesFromSiblings, fetch.Meter.CatalogsDone, fetch.TagsSkipped);
            }
        }
        finally
        {
            _shelf.Trim();
            _one.Release();
        }
    }

    /// <summary>Brings record files here; on return they survive a power loss.</summary>
    /// <param name="digests">Their names.</param>
    /// <param name="progress">Told a few times a second, from any thread; may be null.</param>
    /// <param name="cancellationToken">Gives up; what came stays.</param>
    /// <exception cref="ReplicationException">Why they are not here.</exception>
    public async Task FetchRecordsAsync(IReadOnlyList<string> digests, IProgress<FillProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(digests);
        var fetch = new RevisionFetch(_target, _shelf, _sources, _limits, _clock, progress, cancellationToken);
        await using (fetch.ConfigureAwait(false))
        {
            await fetch.FetchAsync(digests.Select(d => RevisionFetch.NewWanted(StoreItem.OfBlob(d), 0))).ConfigureAwait(false);
            fetch.Pool.ThrowIfNowhere($"the record files of {_target.Repository}");
            await _target.Blobs!.ConfirmDurableAsync(digests).ConfigureAwait(false);
        }
    }

    /// <summary>A whitelist that is this repository's, signed by one of the own keys and valid now.</summary>
    /// <exception cref="ReplicationException">It is not.</exception>
    public SignedWhitelist CheckWhitelist(ReadOnlyMemory<byte> whitelist) => _trust.CheckWhitelist(whitelist);

    /// <inheritdoc/>
    public void Dispose()
    {
        _shelf.Dispose();
        _one.Dispose();
    }

    // Everything that is probably needed, in one go: on a long link, each further question is what costs.
    private async Task FetchHintedAsync(RevisionFetch fetch, FillRequest request, Manifest manifest, Manifest? served, CancellationToken cancellationToken)
    {
        OpenCatalog? root = served is null ? null : await _shelf.OpenAsync(served.RootHash, served.RootSize, cancellationToken).ConfigureAwait(false);
        var bases = new Dictionary<ObjectName, ObjectName>();
        if (root is not null)
        {
            bases[CatalogOf(manifest.RootHash)] = CatalogOf(root.Hash);
            foreach (CatalogHint hint in request.Catalogs)
            {
                if (!hint.Path.IsRoot && _shelf.Guarded(root.Hash, () => root.Reader.FindNested(hint.Path)) is { } before)
                    bases[CatalogOf(hint.Hash)] = CatalogOf(before.Hash);
            }
        }

        ObjectName[] catalogs = [CatalogOf(manifest.RootHash), .. request.Catalogs.Select(c => CatalogOf(c.Hash))];
        await fetch.FetchAsync(
        [
            .. request.Records.Select(d => RevisionFetch.NewWanted(StoreItem.OfBlob(d), 0)),
            .. catalogs.Distinct().Select(c => Hint(c, 0)),
            .. RevisionFetch.NamedBy(manifest).Select(n => Hint(n, 0)),
            .. request.Hints.Select(h => Hint(h.Name, h.StoredSize)),
        ]).ConfigureAwait(false);
        fetch.Pool.ThrowIfNowhere($"revision {manifest.Revision} of {_target.Repository}");
        if (request.Records.Count > 0)
            await _target.Blobs!.ConfirmDurableAsync(request.Records).ConfigureAwait(false);

        Func<FetchGroup, Wanted> Hint(ObjectName name, long bytes) =>
            RevisionFetch.NewWanted(StoreItem.Of(name), bytes, bases.TryGetValue(name, out ObjectName older) ? older : null, optional: true);
    }

    private static ObjectName CatalogOf(ObjectHash hash) => new(hash, ObjectKind.Catalog);
}
