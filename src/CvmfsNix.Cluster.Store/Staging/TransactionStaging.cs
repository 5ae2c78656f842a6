using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>
/// One open transaction on one gateway: takes object packs and paths, checks all of them, and seals what it has into a bundle.
/// Thread-safe; sealing comes after all adding. What was uploaded stays in the store when the transaction is
/// dropped, without a path that leads to it, until it is collected.
/// </summary>
public sealed class TransactionStaging : IAsyncDisposable
{
    private readonly RepositoryStore _store;
    private readonly StagingLimits _limits;
    private readonly PathVerifier _verifier;
    private readonly PathCatalogBuilder _builder;
    private readonly PathSpool _spool;
    private readonly ContentSpool _own;
    private readonly Lock _lock = new();
    private ObjectBatch? _catalogs;
    private int _adding;
    private bool _closed;
    private long _objectsReceived;
    private long _bytesStored;

    /// <summary>Opens a transaction's staging; there is at most one of a transaction in a process.</summary>
    public TransactionStaging(RepositoryStore store, Guid transaction, StagingLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        Transaction = transaction;
        _limits = limits ?? new StagingLimits();
        _verifier = new PathVerifier(store.Objects, store.Format, Known);
        _builder = new PathCatalogBuilder(store.Format);
        string folder = store.Layout.StagingFolder(store.Format.Repository);
        Directory.CreateDirectory(folder);
        _spool = new PathSpool(Path.Combine(folder, $"{transaction:N}.paths"), store.Format.HashAlgorithm);
        _own = new ContentSpool(Path.Combine(folder, $"{transaction:N}.contents"));
    }

    /// <summary>The builder's transaction id.</summary>
    public Guid Transaction { get; }

    /// <summary>Paths taken.</summary>
    public long PathCount => _spool.Count;

    /// <summary>Objects received, those that the store had included.</summary>
    public long ObjectsReceived => Interlocked.Read(ref _objectsReceived);

    /// <summary>Stored bytes of the objects, nested catalogs included, that the store did not have.</summary>
    public long BytesStored => Interlocked.Read(ref _bytesStored);

    /// <summary>
    /// Takes an object pack: every object is one of a file's content or a chunk, has the bytes of its name, and inflates to the size its header
    /// says. On return all of its objects are durable; on an error none of them was taken. The same pack may be sent again.
    /// </summary>
    /// <exception cref="Packs.PackFormatException">The pack is damaged or truncated.</exception>
    /// <exception cref="StagingRejectedException">Names the object that was refused.</exception>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public async Task<StagedPack> ReceivePackAsync(Stream body, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        ObjectBatch batch = _store.Objects.BeginBatch();
        await using (batch.ConfigureAwait(false))
        {
            var receiver = new PackReceiver(batch, _store.Format.HashAlgorithm, _limits);
            long objects = await receiver.ReadAsync(body, _limits.ObjectsMax - ObjectsReceived, cancellationToken).ConfigureAwait(false);
            StepProbe.At(StepNames.StageWritten, Transaction.ToString());
            await batch.CompleteAsync(cancellationToken).ConfigureAwait(false);
            StepProbe.At(StepNames.StageDurable, Transaction.ToString());
            foreach ((ContentDigest digest, StoredContent content) in receiver.Contents)
                _own.TryAdd(digest, content);
            Interlocked.Add(ref _objectsReceived, objects);
            Interlocked.Add(ref _bytesStored, batch.BytesNew);
            return new StagedPack(objects, batch.ObjectsNew, batch.BytesNew) { Names = receiver.Names };
        }
    }

    /// <summary>
    /// Which contents need not be sent, in the order asked: those that are committed, this transaction's own whole files, and its chunked files
    /// once a path with them was added. Never what another transaction uploaded and has not committed: that one may still go away.
    /// </summary>
    public IReadOnlyList<StoredContent?> FindContent(IReadOnlyList<ContentDigest> digests)
    {
        IReadOnlyList<StoredContent?> committed = _store.Index.Content.Find(digests);
        var found = new StoredContent?[digests.Count];
        for (int i = 0; i < found.Length; i++)
        {
            // What is called present must outlast the transaction: an object that is about to be deleted is either kept or not called so.
            StoredContent? content = committed[i] ?? _own.Find(digests[i]);
            found[i] = content is not null && PathObjects.Of(content).All(_store.Objects.Refresh) ? content : null;
        }

        return found;
    }

    /// <summary>Verifies a path against the objects in the store, builds its nested catalog, and keeps both for the seal. Several at once are welcome.</summary>
    /// <exception cref="PathRejectedException">Says what is wrong with it.</exception>
    public async Task AddPathAsync(PathUpload upload, CancellationToken cancellationToken)
    {
        ObjectBatch catalogs = BeginAdding();
        try
        {
            PathUpload certified = upload with { Info = _store.CertifyAnew(upload.Info) };
            VerifiedPath verified = await _verifier.VerifyAsync(certified, cancellationToken).ConfigureAwait(false);
            BuiltPath built = _builder.Build(verified);
            NestedCatalogGuard.Check(built, _store.Format.StoreRoot.Combine(upload.Info.Path.Value));
            // Durable with all others at the seal: one path's catalog alone would cost an fsync of file and directory each.
            if (built.StoredCatalog is { } stored)
                await catalogs.AddAsync(ObjectKind.Catalog, stored, cancellationToken).ConfigureAwait(false);
            _spool.Add(built.Record);
            foreach (DeltaContent content in built.Record.Contents)
                _own.TryAdd(content.Digest, content.Content);
        }
        finally
        {
            lock (_lock)
                _adding--;
        }
    }

    /// <summary>
    /// Writes the bundle: on return it is durable, and so is every object that any of its paths needs, whoever uploaded it. May be repeated.
    /// </summary>
    /// <exception cref="PathRejectedException">An object of a path was collected meanwhile.</exception>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public async Task<SealedBundle> SealAsync(BundleHeader header, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(header);
        await CompleteCatalogsAsync(cancellationToken).ConfigureAwait(false);
        await ConfirmObjectsAsync(cancellationToken).ConfigureAwait(false);
        int paths = 0;
        string digest = await _store.Blobs.PutAsync(
            stream =>
            {
                var bundle = new BundleWriter(stream, header);
                foreach (PathRecord record in _spool.Read())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    bundle.Write(record);
                    paths++;
                }

                bundle.Finish();
                return Task.CompletedTask;
            },
            cancellationToken).ConfigureAwait(false);
        StepProbe.At(StepNames.SealBundle, Transaction.ToString());
        return new SealedBundle(digest, _store.Blobs.Size(digest) ?? throw new IOException($"Blob {digest} was deleted while it was being written."), paths);
    }

    /// <summary>Forgets the transaction; its scratch is removed. A bundle that was sealed stays.</summary>
    public async ValueTask DisposeAsync()
    {
        ObjectBatch? catalogs;
        lock (_lock)
        {
            if (_closed)
                return;
            _closed = true;
            catalogs = _catalogs;
            _catalogs = null;
        }

        if (catalogs is not null)
            await catalogs.DisposeAsync().ConfigureAwait(false);
        _spool.Dispose();
        _own.Dispose();
    }

    private StoredContent? Known(ContentDigest digest) => _own.Find(digest) ?? _store.Index.Content.Find([digest])[0];

    private ObjectBatch BeginAdding()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            _adding++;
            return _catalogs ??= _store.Objects.BeginBatch();
        }
    }

    private async Task CompleteCatalogsAsync(CancellationToken cancellationToken)
    {
        ObjectBatch? catalogs;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (_adding > 0)
                throw new InvalidOperationException($"Transaction {Transaction} still adds paths and cannot be sealed.");
            catalogs = _catalogs;
            _catalogs = null;
        }

        if (catalogs is null)
            return;
        await using (catalogs.ConfigureAwait(false))
        {
            await catalogs.CompleteAsync(cancellationToken).ConfigureAwait(false);
            Interlocked.Add(ref _bytesStored, catalogs.BytesNew);
        }
    }

    private async Task ConfirmObjectsAsync(CancellationToken cancellationToken)
    {
        // Not gathered to ask for each once: to look twice for an object costs little, to remember those of very many paths does not.
        IEnumerable<ObjectName> names = _spool.Read().SelectMany(record => record.Objects, (_, o) => o.Name);
        IReadOnlyList<ObjectName> missing = await _store.Objects.ConfirmDurableAsync(names, cancellationToken).ConfigureAwait(false);
        if (missing.Count > 0)
        {
            throw new PathRejectedException(
                PathRejectionCodes.ObjectMissing,
                missing[0].ToString(),
                $"{missing.Distinct().Count()} objects of transaction {Transaction}, first {missing[0]}, are no longer in the store. Publish again with a new transaction.");
        }
    }
}
