using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Scrubbing;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>An open repository of this mirror: its store, and what takes a step with it. Thread-safe; one step at a time is asked of it.</summary>
internal sealed class MirrorRepository(RepositoryStore store, IMirrorEngine engine, RepositoryKeyRing keys, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    public RepositoryStore Store => store;

    /// <summary>The keys it was opened with.</summary>
    public RepositoryKeyRing Keys => keys;

    public StockMarks Marks { get; } = StockMarks.Of(store);

    /// <summary>Opens the repository's folders, or makes them.</summary>
    public static async Task<MirrorRepository> OpenAsync(
        StoreLayout layout, RepositoryDefinition definition, RepositoryKeyRing keys, MirrorEngines engines, TimeProvider clock, ILogger log, CancellationToken ct)
    {
        var format = new RepositoryFormat
        {
            Repository = definition.Repository.Value,
            StoreDirectory = definition.StoreDirectory,
            HashAlgorithm = definition.HashAlgorithm,
            TtlSeconds = definition.TtlSeconds,
            NestedMinEntries = definition.NestedMinEntries,
            Certificate = definition.Certificate,
        };
        var store = await RepositoryStore.OpenAsync(layout, format, ct).ConfigureAwait(false);
        return new MirrorRepository(store, engines(store, keys.Pems), keys, clock, log);
    }

    /// <summary>
    /// Takes a step: fetches and verifies what its manifest needs, replaces the named files, indexes. A step that fails changes nothing that
    /// readers see, and what was fetched stays.
    /// </summary>
    /// <param name="step">The step.</param>
    /// <param name="progress">How the fetching gets on.</param>
    /// <param name="served">Called when readers see the new state.</param>
    /// <param name="ct">Stops before readers see it, not after.</param>
    public async Task TakeAsync(MirrorStep step, IProgress<FillProgress> progress, Action served, CancellationToken ct)
    {
        // Told again after a kill between the flip and its note in the journal: only the index may lack it.
        bool due = step.Visible > store.AppliedSequence;
        if (due && step.Manifest is { } manifest)
            await FlipAsync(step, manifest, progress, served, ct).ConfigureAwait(false);
        else if (due)
            await RenewAsync(step, served, ct).ConfigureAwait(false);
        await IndexAsync(step.Records, progress, ct).ConfigureAwait(false);
    }

    /// <summary>Only indexes the revisions of a step: what is served is decided by later events.</summary>
    public async Task PassAsync(MirrorStep step, IProgress<FillProgress> progress, CancellationToken ct)
    {
        await TakeDeltasAsync(step, ct).ConfigureAwait(false);
        await IndexAsync(step.Records, progress, ct).ConfigureAwait(false);
    }

    /// <summary>Makes an index that was lost again from what is known of the revisions.</summary>
    public Task ReindexAsync(IReadOnlyList<RevisionRecords> records, CancellationToken ct) => IndexAsync(records, new Progress<FillProgress>(), ct);

    /// <summary>Empties an index that holds what is not history any more.</summary>
    public Task ForgetIndexAsync(CancellationToken ct) => store.ForgetIndexAsync(ct);

    /// <summary>Deletes collected objects that nothing served here needs.</summary>
    public async Task DropAsync(IReadOnlyCollection<ObjectName> objects, CancellationToken ct)
    {
        int dropped = await store.DropCollectedAsync(objects, ct).ConfigureAwait(false);
        if (dropped > 0)
            Mark(() => Marks.Collected(clock.GetUtcNow()));
    }

    public Task<ScrubResult> ScrubAsync(long bytesPerSecond, IProgress<ScrubProgress> progress, CancellationToken ct) => engine.ScrubAsync(bytesPerSecond, progress, ct);

    /// <summary>Writes a mark; that it cannot be written is no reason to stop serving.</summary>
    public void Mark(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            log.LogWarning("{Repository}: {Problem}", store.Format.Repository, e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        engine.Dispose();
        await store.DisposeAsync().ConfigureAwait(false);
    }

    private async Task FlipAsync(MirrorStep step, MirroredManifest manifest, IProgress<FillProgress> progress, Action served, CancellationToken ct)
    {
        if (store.Served is null)
            Mark(() => Marks.Snapshotting(clock.GetUtcNow()));
        string[] inline = [.. step.Deltas.Select(d => d.Digest)];
        var request = new FillRequest
        {
            SignedManifest = manifest.Signed,
            Whitelist = step.Whitelist.IsEmpty ? store.ServedWhitelist() : step.Whitelist,
            Hints = Hints(step),
            Catalogs = [new CatalogHint(store.Format.StoreRoot, manifest.StoreCatalog)],
            Records = [.. Digests(step.Records).Except(inline, StringComparer.Ordinal)],
        };
        var deltas = TakeDeltasAsync(step, ct);
        SignedManifest verified;
        try
        {
            verified = await engine.FillAsync(request, progress, ct).ConfigureAwait(false);
        }
        finally
        {
            await ((Task)deltas).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await deltas.ConfigureAwait(false);
        await store.MirrorAsync(step.Visible, Archived(step), verified, step.Whitelist, ct).ConfigureAwait(false);
        served();
        Mark(() => Marks.Snapshotted(clock.GetUtcNow()));
    }

    private async Task RenewAsync(MirrorStep step, Action served, CancellationToken ct)
    {
        engine.CheckWhitelist(step.Whitelist);
        await store.MirrorAsync(step.Visible, Archived(step), null, step.Whitelist, ct).ConfigureAwait(false);
        served();
    }

    private ReadOnlyMemory<byte> Archived(MirrorStep step) => ClusterSerializer.Bytes(new MirrorApplied(
        step.Sequence, step.Visible, step.Manifest?.Revision ?? store.Served?.Revision ?? 0, "", step.Records, [], clock.GetUtcNow()));

    private async Task IndexAsync(IReadOnlyList<RevisionRecords> records, IProgress<FillProgress> progress, CancellationToken ct)
    {
        RevisionRecords[] due = [.. records.Where(r => r.Revision > store.IndexedRevision)];
        string[] missing = [.. Digests(due).Where(d => !store.Blobs.Contains(d))];
        if (missing.Length > 0)
            await engine.FetchRecordsAsync(missing, progress, ct).ConfigureAwait(false);
        foreach (var revision in due)
            await store.IndexAsync(revision, ct).ConfigureAwait(false);
    }

    private async Task TakeDeltasAsync(MirrorStep step, CancellationToken ct)
    {
        foreach (var (digest, bytes) in step.Deltas)
        {
            if (!store.Blobs.Contains(digest))
                await store.Blobs.PutAsync(digest, s => s.WriteAsync(bytes, ct).AsTask(), ct).ConfigureAwait(false);
        }
    }

    // What a delta list says is fetched early; whether it says the truth shows when the catalogs are read.
    private static IReadOnlyList<DeltaObject> Hints(MirrorStep step)
    {
        var hints = new Dictionary<ObjectName, DeltaObject>();
        foreach (var (digest, bytes) in step.Deltas)
        {
            try
            {
                foreach (var o in DeltaFile.ReadObjects(new MemoryStream(bytes.ToArray(), writable: false), digest))
                    hints[o.Name] = o;
            }
            catch (RecordFormatException)
            {
                // Its digest is checked when it is stored; the catalogs tell the rest.
            }
        }

        return [.. hints.Values.Where(o => !step.Superseded.Contains(o.Name))];
    }

    private static IEnumerable<string> Digests(IEnumerable<RevisionRecords> records) => records.SelectMany(r => r.Digests).Distinct(StringComparer.Ordinal);
}
