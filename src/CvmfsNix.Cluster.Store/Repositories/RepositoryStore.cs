using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>
/// One repository on one node: its objects, record files, index and named files. Thread-safe; commits wait for each other, and so do applied events.
/// <para>
/// The writer's side (Prepare, Adopt, Discard) makes revisions nobody can see yet. The keeper's side (Apply…) lets the journal's events take
/// effect in the order of their sequence numbers: an event that is not newer than <see cref="AppliedSequence"/> is passed over, so
/// events may be delivered again and late.
/// </para>
/// </summary>
public sealed partial class RepositoryStore : IAsyncDisposable
{
    private const string ManifestFile = ".cvmfspublished";
    private const string WhitelistFile = ".cvmfswhitelist";
    private const string MasterReplicaFile = ".cvmfs_master_replica";
    private const int CheckedAtOnce = 4096;

    private static ReadOnlyMemory<byte> MasterReplicaText { get; } = "This file allows replication of the repository.\n"u8.ToArray();

    private readonly DirectoryObjectStore _objects;
    private readonly AppliedArchive _applied;
    private readonly CommitBuilder _commits;
    private readonly SemaphoreSlim _committing = new(1, 1);
    private readonly SemaphoreSlim _applying = new(1, 1);
    private readonly ConcurrentDictionary<ObjectHash, bool> _taggedComplete = new();
    private HashSet<ObjectName> _ofRoot = [];
    private long _appliedSequence;

    private RepositoryStore(StoreLayout layout, RepositoryFormat format)
    {
        Layout = layout;
        Format = format;
        string folder = layout.RepositoryFolder(format.Repository);
        _objects = new DirectoryObjectStore(folder, format.HashAlgorithm);
        Blobs = new BlobFolder(layout.BlobsFolder(format.Repository));
        Index = RepositoryIndex.Open(layout.IndexFile(format.Repository), format.HashAlgorithm);
        _applied = new AppliedArchive(layout.AppliedFolder(format.Repository), folder);
        _commits = new CommitBuilder(format, _objects, Blobs, Index, layout.WorkFolder(format.Repository));
        _commits.Certify = Certify;
        _commits.NewSignatures = NewSignatures;
        _appliedSequence = _applied.LastEffective();
    }

    /// <summary>The node's folders.</summary>
    public StoreLayout Layout { get; }

    /// <summary>What the repository's creation fixed.</summary>
    public RepositoryFormat Format { get; }

    /// <summary>The repository's objects.</summary>
    public IObjectStore Objects => _objects;

    /// <summary>Bundles, registrations and deltas.</summary>
    public BlobFolder Blobs { get; }

    /// <summary>Committed paths and contents.</summary>
    public RepositoryIndex Index { get; }

    /// <summary>Where the index stands; behind the head when revisions must be given to <see cref="ReindexAsync"/>.</summary>
    public ulong IndexedRevision => Index.Revision;

    /// <summary>Journal sequence number of the newest event that has taken effect here; 0 = none. Survives a restart.</summary>
    public long AppliedSequence => Interlocked.Read(ref _appliedSequence);

    /// <summary>What the repository takes.</summary>
    public RepositoryUsage Usage => Index.Usage;

    /// <summary>
    /// Whether a commit insists that this store holds every object of a new path (the default). A leader whose transactions are confirmed on
    /// other stores turns it off: it then insists only on what it writes itself.
    /// </summary>
    public bool CommitRequiresObjects
    {
        get => _commits.RequireObjects;
        set => _commits.RequireObjects = value;
    }

    internal CommitBuilder Commits => _commits;

    /// <summary>Opens the repository's folders, or makes them. Scratch of an earlier process is removed; no journal is needed.</summary>
    /// <exception cref="IOException">Names the file or folder.</exception>
    public static async Task<RepositoryStore> OpenAsync(StoreLayout layout, RepositoryFormat format, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(format);
        string repository = format.Repository;
        if (LostParts.Are(layout, repository))
            LostParts.Forget(layout, repository);
        DurableDirectory.Ensure(layout.RepositoryFolder(repository));
        DurableDirectory.Ensure(layout.AppliedFolder(repository));
        foreach (string scratch in (ReadOnlySpan<string>)[layout.WorkFolder(repository), layout.StagingFolder(repository)])
        {
            DurableDirectory.Ensure(scratch);
            DurableDirectory.Empty(scratch);
        }

        var store = new RepositoryStore(layout, format);
        // Nested catalogs name the empty file, whoever builds them and whatever was uploaded.
        if (!store.Objects.Contains(CatalogRows.EmptyObject(format.HashAlgorithm)))
        {
            await using ObjectBatch batch = store.Objects.BeginBatch();
            await batch.AddAsync(ObjectKind.Data, ObjectCompression.Empty.ToArray(), cancellationToken).ConfigureAwait(false);
            await batch.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        return store;
    }

    /// <summary>Makes the first revision: an empty store directory. Every object is durable on return.</summary>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public Task<CommittedRevision> PrepareInitialAsync(RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken) =>
        ExclusiveAsync(_committing, () => _commits.BuildInitialAsync(keys, now, cancellationToken), cancellationToken);

    /// <summary>
    /// Decides a batch and makes the revision after <paramref name="head"/> of what is taken. Every object and record file is durable on
    /// return and the manifest is signed; nothing is visible. The caller appends the revision's event and then adopts or discards.
    /// </summary>
    /// <exception cref="Commit.Guard.CommitNotValidException">What was built breaks a rule and was thrown away: a defect of ours.</exception>
    /// <exception cref="IndexBehindException">The index does not stand at the head.</exception>
    /// <exception cref="IncompleteStoreException">A bundle, a catalog of the head or an object of a new path is not here.</exception>
    /// <exception cref="RecordFormatException">A bundle is torn.</exception>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public Task<PreparedCommit> PrepareAsync(RepositoryHead head, IReadOnlyList<CommitMember> batch, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken) =>
        PrepareAsync(head, batch, CommitRules.None, keys, now, cancellationToken);

    /// <param name="head">The newest revision.</param>
    /// <param name="batch">In the order of the queue.</param>
    /// <param name="rules">What was removed and taken back before.</param>
    /// <param name="keys">Sign.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Stops before anything counts.</param>
    /// <inheritdoc cref="PrepareAsync(RepositoryHead, IReadOnlyList{CommitMember}, RepositoryKeys, DateTimeOffset, CancellationToken)"/>
    public Task<PreparedCommit> PrepareAsync(
        RepositoryHead head, IReadOnlyList<CommitMember> batch, CommitRules rules, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(keys);
        return ExclusiveAsync(_committing, () => _commits.BuildAsync(head, batch, rules, keys, now, cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Makes a revision with the paths of <paramref name="head"/> and a database of Nix that has all of them. Durable on return and signed; nothing is visible. The caller appends the revision's
    /// event and then adopts or discards.
    /// </summary>
    /// <returns>The revision; null when the database has all of them, or the repository has none.</returns>
    public Task<CommittedRevision?> PrepareNixDatabaseAsync(RepositoryHead head, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(keys);
        return ExclusiveAsync(_committing, () => _commits.BuildDatabaseAsync(head, keys, now, cancellationToken), cancellationToken);
    }

    /// <summary>When the database of Nix is to be looked at and brought up to the paths of the head; null = there is nothing to do.</summary>
    public TimeSpan? NixDatabaseDueIn => _commits.DatabaseDueIn;

    /// <summary>Bytes of the database of Nix when it was last stored by this process; 0 = it was not.</summary>
    public long NixDatabaseSize => _commits.DatabaseSize;

    /// <summary>The stored bytes that the last storing of the database of Nix added, and how long it took.</summary>
    public (long Bytes, TimeSpan Took) NixDatabaseStored => _commits.DatabaseStored;

    /// <summary>An event that changes nothing here: only the archive keeps it.</summary>
    public Task ArchiveAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CancellationToken cancellationToken) =>
        ApplyAsync(sequence, () => _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken), cancellationToken);

    /// <summary>
    /// What this store had of the history after a revision is not history any more: an index that stands beyond is emptied, and filled again by <see cref="ReindexAsync"/>. What is
    /// served stays until there is something newer.
    /// </summary>
    public Task ContinueAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ulong revision, CancellationToken cancellationToken) => ApplyAsync(
        sequence,
        async () =>
        {
            if (Index.Revision > revision)
                Index.Clear();
            await _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken).ConfigureAwait(false);
        },
        cancellationToken);

    /// <summary>Makes the newest revision with other tags. Durable on return and signed; nothing is visible. The caller appends the event.</summary>
    /// <param name="head">The newest revision.</param>
    /// <param name="tags">All named tags there shall be, ascending by name.</param>
    /// <param name="keys">Sign.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Stops before anything counts.</param>
    /// <exception cref="IncompleteStoreException">A root catalog of a tag is not here.</exception>
    /// <exception cref="Commit.Guard.CommitNotValidException">What was built breaks a rule and was thrown away: a defect of ours.</exception>
    public Task<CommittedTags> PrepareTagsAsync(
        RepositoryHead head, IReadOnlyList<RepositoryTag> tags, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(tags);
        ArgumentNullException.ThrowIfNull(keys);
        return ExclusiveAsync(_committing, () => _commits.BuildTagsAsync(head, tags, keys, now, cancellationToken), cancellationToken);
    }

    /// <summary>Another key signs: its certificate is an object here, durable, before a manifest names it. Idempotent.</summary>
    public async Task AddCertificateAsync(RepositoryCertificate certificate, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        await using ObjectBatch batch = _objects.BeginBatch();
        await batch.AddAsync(ObjectKind.Certificate, ObjectCompression.CompressClassic(certificate.Pem), cancellationToken).ConfigureAwait(false);
        await batch.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The revision is in the journal: the index learns of it. The working catalogs stand at it already.</summary>
    public Task AdoptAsync(CommittedRevision revision, CancellationToken cancellationToken) => ReindexAsync(revision, cancellationToken);

    /// <summary>Unpacks the catalogs of the newest revision, so that the first commit need not. Changes nothing; one that comes meanwhile waits for it, as it would for its own unpacking.</summary>
    /// <exception cref="ObjectCorruptException">A catalog is damaged.</exception>
    public Task WarmAsync(RepositoryHead head, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        return ExclusiveAsync(_committing, () => _commits.WarmAsync(head, cancellationToken), cancellationToken);
    }

    /// <summary>The append was lost: the next commit starts from the stored catalogs of its head.</summary>
    public Task DiscardAsync(CancellationToken cancellationToken) => ExclusiveAsync(
        _committing,
        () =>
        {
            _commits.Discard();
            return Task.FromResult(true);
        },
        cancellationToken);

    /// <summary>Adds a committed revision to an index that has lost or not had it. Oldest first; one that is indexed changes nothing.</summary>
    /// <exception cref="IndexBehindException">The revision before it is not indexed.</exception>
    /// <exception cref="IncompleteStoreException">A record file of the revision is not here.</exception>
    public Task ReindexAsync(CommittedRevision revision, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(revision);
        return Task.Run(
            () =>
            {
                if (!ApplyToIndex(revision))
                    throw new IndexBehindException(Format.Repository, Index.Revision, revision.Head.Revision - 1);
            },
            cancellationToken);
    }

    /// <summary>The repository was created: its named files appear, the manifest last.</summary>
    /// <exception cref="IncompleteStoreException">Objects of the first revision are not here; nothing was changed.</exception>
    public Task ApplyCreatedAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ReadOnlyMemory<byte> whitelist, CommittedRevision initial, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(initial);
        return ApplyAsync(
            sequence,
            async () =>
            {
                await RequireCompleteAsync(initial, cancellationToken).ConfigureAwait(false);
                await RequireOfRootAsync(initial.Head, cancellationToken).ConfigureAwait(false);
                ApplyToIndex(initial);
                await _applied.AddAsync(sequence, eventBytes, ManifestFile, initial.SignedManifest, cancellationToken).ConfigureAwait(false);
                await WriteNamedAsync(MasterReplicaFile, MasterReplicaText).ConfigureAwait(false);
                await WriteNamedAsync(WhitelistFile, whitelist).ConfigureAwait(false);
                await WriteManifestAsync(initial.Head, initial.SignedManifest).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>
    /// A revision was committed: once all of it is here, the manifest is replaced. The index is brought along when it stands at the revision before.
    /// </summary>
    /// <exception cref="IncompleteStoreException">Objects or record files are not here; nothing was changed.</exception>
    public Task ApplyRevisionAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CommittedRevision revision, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(revision);
        return ApplyAsync(
            sequence,
            async () =>
            {
                await RequireCompleteAsync(revision, cancellationToken).ConfigureAwait(false);
                await RequireOfRootAsync(revision.Head, cancellationToken).ConfigureAwait(false);
                if (MissingOfTags(revision.Head) is { Count: > 0 } missing)
                    throw new IncompleteStoreException(Format.Repository, $"tags of revision {revision.Head.Revision}", [.. missing.Take(IncompleteStoreException.MissingMax).Select(o => o.ToString())]);
                // Before the archive: an event that is archived and in effect is not applied again, and would be missing in the index.
                ApplyToIndex(revision);
                await _applied.AddAsync(sequence, eventBytes, ManifestFile, revision.SignedManifest, cancellationToken).ConfigureAwait(false);
                await WriteManifestAsync(revision.Head, revision.SignedManifest).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>
    /// A revision was committed that another one has followed: it is indexed and archived, and never served. What only it needs, its own
    /// catalogs, may have been collected everywhere and is asked for only if <paramref name="withCatalogs"/>.
    /// </summary>
    /// <exception cref="IncompleteStoreException">Objects or record files are not here; nothing was changed.</exception>
    public Task PassRevisionAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CommittedRevision revision, bool withCatalogs, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(revision);
        return ApplyAsync(
            sequence,
            async () =>
            {
                await RequireCompleteAsync(revision, cancellationToken, withCatalogs).ConfigureAwait(false);
                ApplyToIndex(revision);
                await _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>
    /// A revision was committed that others have followed, and paths of which were removed for good: its objects may be nowhere. Its record files are indexed and
    /// archived. From here on the store is incomplete until <see cref="MarkCompleteAsync"/>, and must serve no later revision before.
    /// </summary>
    /// <exception cref="IncompleteStoreException">Record files are not here; nothing was changed.</exception>
    public Task PassRecordsAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CommittedRevision revision, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(revision);
        return ApplyAsync(
            sequence,
            async () =>
            {
                await MarkIncompleteAsync(cancellationToken).ConfigureAwait(false);
                ApplyToIndex(revision);
                await _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
    }

    private async Task MarkIncompleteAsync(CancellationToken cancellationToken)
    {
        if (!IsIncomplete)
            await DurableFile.WriteAtomicAsync(Layout.MetaFolder(Format.Repository), IncompleteFile, ReadOnlyMemory<byte>.Empty, cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether revisions were passed over without their objects: what a later revision adds does not tell what it needs.</summary>
    public bool IsIncomplete => File.Exists(IncompleteFile);

    /// <summary>
    /// Objects that can be reached from root catalogs and are not here, as far as the catalogs that are here tell; ask again when they are. Whatever is here is
    /// counted on, catalogs too: what it was needed for may have been unknown here when a collection planned to delete it.
    /// </summary>
    /// <param name="roots">The root catalogs.</param>
    /// <param name="max">Most names.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public IReadOnlyList<ObjectName> MissingBelow(IEnumerable<ObjectHash> roots, int max, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(roots);
        var missing = new HashSet<ObjectName>();
        var seen = new HashSet<ObjectName>();
        var open = new Stack<ObjectName>(roots.Select(r => new ObjectName(r, ObjectKind.Catalog)));
        while (missing.Count < max && open.TryPop(out ObjectName catalog))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!seen.Add(catalog))
                continue;
            if (!Objects.Refresh(catalog) || CatalogFile.ReferencesIn(Objects, catalog, Layout.WorkFolder(Format.Repository)) is not { } references)
            {
                missing.Add(catalog);
                continue;
            }

            foreach (ObjectName name in references)
            {
                if (name.Kind == ObjectKind.Catalog)
                    open.Push(name);
                else if (!Objects.Refresh(name))
                    missing.Add(name);
            }
        }

        return [.. missing.Take(max)];
    }

    /// <summary>Whether a revision has a path; false where its catalogs are not here.</summary>
    /// <param name="root">Its root catalog.</param>
    /// <param name="path">The path.</param>
    public bool HasPath(ObjectHash root, StorePathName path)
    {
        string scratch = Layout.WorkFolder(Format.Repository);
        return CatalogFile.NestedIn(Objects, new ObjectName(root, ObjectKind.Catalog), Format.StoreRoot, scratch) is { } store
            && CatalogFile.Has(Objects, store, Format.StoreRoot.Combine(path.Value), scratch);
    }

    /// <summary>Everything below the root catalogs of the newest revision, of the one before it and of all tags is here: the store is like any other.</summary>
    public Task MarkCompleteAsync(CancellationToken cancellationToken) => ExclusiveAsync(
        _applying,
        () =>
        {
            File.Delete(IncompleteFile);
            return Task.FromResult(true);
        },
        cancellationToken);

    private string IncompleteFile => Path.Combine(Layout.MetaFolder(Format.Repository), "incomplete");

    /// <summary>As <see cref="PassRevisionAsync"/>, for the first revision: its whitelist is served, the manifest comes with a later one.</summary>
    /// <exception cref="IncompleteStoreException">Objects or record files are not here; nothing was changed.</exception>
    public Task PassCreatedAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ReadOnlyMemory<byte> whitelist, CommittedRevision initial, bool withCatalogs, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(initial);
        return ApplyAsync(
            sequence,
            async () =>
            {
                await RequireCompleteAsync(initial, cancellationToken, withCatalogs).ConfigureAwait(false);
                ApplyToIndex(initial);
                await _applied.AddAsync(sequence, eventBytes, WhitelistFile, whitelist, cancellationToken).ConfigureAwait(false);
                await WriteNamedAsync(MasterReplicaFile, MasterReplicaText).ConfigureAwait(false);
                await WriteNamedAsync(WhitelistFile, whitelist).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>Tags were changed with no commit: once the tag database and the catalogs of all tags are here, the manifest is replaced.</summary>
    /// <exception cref="IncompleteStoreException">Some are not here; nothing was changed.</exception>
    public Task ApplyTagsAsync(long sequence, ReadOnlyMemory<byte> eventBytes, RepositoryHead head, ReadOnlyMemory<byte> signedManifest, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(head);
        return ApplyAsync(
            sequence,
            async () =>
            {
                IReadOnlyList<ObjectName> missing = await Objects.ConfirmDurableAsync(StoreItems.HotObjects(head), cancellationToken).ConfigureAwait(false);
                if (missing.Count == 0)
                    missing = MissingOfTags(head);
                if (missing.Count > 0)
                    throw new IncompleteStoreException(Format.Repository, $"tags of revision {head.Revision}", [.. missing.Take(IncompleteStoreException.MissingMax).Select(o => o.ToString())]);
                await _applied.AddAsync(sequence, eventBytes, ManifestFile, signedManifest, cancellationToken).ConfigureAwait(false);
                await WriteManifestAsync(head, signedManifest).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>Tags were changed, and something else has followed: only the archive keeps it.</summary>
    public Task PassTagsAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CancellationToken cancellationToken) =>
        ApplyAsync(sequence, () => _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken), cancellationToken);

    /// <summary>All tags of what is served, newest revision first; none before the first revision.</summary>
    /// <exception cref="IncompleteStoreException">The tag database is not here.</exception>
    /// <exception cref="TagDatabaseFormatException">It is damaged.</exception>
    public Task<IReadOnlyList<RepositoryTag>> ReadTagsAsync(CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            if (ServedManifest()?.History is not { } history)
                return [];
            var name = new ObjectName(history, ObjectKind.History);
            string file = Path.Combine(Layout.WorkFolder(Format.Repository), $"tags-{Guid.NewGuid():N}.sqlite");
            try
            {
                using (Stream stored = Objects.OpenRead(name) ?? throw new IncompleteStoreException(Format.Repository, "tags", [name.ToString()]))
                using (Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib))
                using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                    plain.CopyTo(copy);
                return TagDatabase.Read(file);
            }
            finally
            {
                File.Delete(file);
            }
        },
        cancellationToken);

    /// <summary>
    /// Catalogs that readers of a tag need and that are not here: root catalogs first, those of the store directory once their root is here. A
    /// store that was behind has passed the revision over without them.
    /// </summary>
    public IReadOnlyList<ObjectName> MissingOfTags(RepositoryHead head)
    {
        ArgumentNullException.ThrowIfNull(head);
        var missing = new List<ObjectName>();
        foreach (ObjectHash hash in head.NamedTags.Select(t => t.RootHash).Distinct().Where(h => !_taggedComplete.ContainsKey(h)))
        {
            var root = new ObjectName(hash, ObjectKind.Catalog);
            if (!Objects.Refresh(root))
                missing.Add(root);
            else if (CatalogFile.NestedIn(Objects, root, Format.StoreRoot, Layout.WorkFolder(Format.Repository)) is { } store && !Objects.Refresh(store))
                missing.Add(store);
            else if (OfRoot(root)?.Where(o => !Objects.Refresh(o)).ToList() is { Count: > 0 } ofRoot)
                missing.AddRange(ofRoot);
            else
                _taggedComplete[hash] = true;
        }

        return missing;
    }

    /// <summary>
    /// What the root catalog of a revision itself names and is not here: the pieces of the database of Nix. Revisions say in their deltas what they add, not which of these pieces still count, so the catalog
    /// is asked. Empty when the catalog is not here.
    /// </summary>
    public IReadOnlyList<ObjectName> MissingOfRoot(RepositoryHead head)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (!Format.HasNixDatabase)
            return [];
        HashSet<ObjectName> here = _ofRoot;
        return [.. (OfRoot(new ObjectName(head.RootHash, ObjectKind.Catalog)) ?? []).Where(o => !here.Contains(o) && !Objects.Refresh(o))];
    }

    private async Task RequireOfRootAsync(RepositoryHead head, CancellationToken cancellationToken)
    {
        if (!Format.HasNixDatabase)
            return;
        HashSet<ObjectName> here = _ofRoot;
        var root = new ObjectName(head.RootHash, ObjectKind.Catalog);
        IReadOnlyList<ObjectName> named = OfRoot(root) ?? throw new IncompleteStoreException(Format.Repository, $"revision {head.Revision}", [root.ToString()]);
        IReadOnlyList<ObjectName> missing = await Objects.ConfirmDurableAsync(named.Where(o => !here.Contains(o)), cancellationToken).ConfigureAwait(false);
        if (missing.Count > 0)
            throw new IncompleteStoreException(Format.Repository, $"revision {head.Revision}", [.. missing.Take(IncompleteStoreException.MissingMax).Select(o => o.ToString())]);
        _ofRoot = [.. named];
    }

    // Null when the catalog is not here.
    private List<ObjectName>? OfRoot(ObjectName root) =>
        CatalogFile.ReferencesIn(Objects, root, Layout.WorkFolder(Format.Repository))?.Where(o => o.Kind != ObjectKind.Catalog).ToList();

    /// <summary>The whitelist was renewed.</summary>
    public Task ApplyWhitelistAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ReadOnlyMemory<byte> whitelist, CancellationToken cancellationToken) => ApplyAsync(
        sequence,
        async () =>
        {
            await _applied.AddAsync(sequence, eventBytes, WhitelistFile, whitelist, cancellationToken).ConfigureAwait(false);
            await WriteNamedAsync(WhitelistFile, whitelist).ConfigureAwait(false);
        },
        cancellationToken);

    /// <summary>Objects were collected: they are deleted, except those the served revision needs itself.</summary>
    public Task ApplyCollectedAsync(long sequence, ReadOnlyMemory<byte> eventBytes, IReadOnlyList<ObjectName> objects, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(objects);
        return ApplyAsync(
            sequence,
            async () =>
            {
                HashSet<ObjectName> served = ServedObjects();
                ObjectName[] deletable = [.. objects.Where(o => !served.Contains(o))];
                _taggedComplete.Clear();
                foreach (ObjectName name in deletable)
                    _objects.Delete(name);
                Index.RemoveObjects(deletable);
                StepProbe.At(StepNames.SupersededDeleted, Format.Repository);
                // Last: it has no named file that would show whether it took effect, and deleting again is harmless.
                await _applied.AddAsync(sequence, eventBytes, null, default, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>The newest event that a store in this folder has applied, also one that is not open; 0 = none.</summary>
    public static long LastApplied(StoreLayout layout, string repository)
    {
        ArgumentNullException.ThrowIfNull(layout);
        string folder = layout.AppliedFolder(repository);
        return Directory.Exists(folder) ? AppliedArchive.Last(folder) : 0;
    }

    /// <summary>The archive of applied events, ascending; what a lost or restored journal is mended from.</summary>
    public IEnumerable<AppliedEventRecord> ReadAppliedEvents() =>
        _applied.ReadAll().Select(e => new AppliedEventRecord(e.Sequence, e.Event.Memory));

    /// <summary>One event of the archive; null = it is not in it.</summary>
    public AppliedEventRecord? FindAppliedEvent(long sequence) =>
        _applied.Find(sequence) is { } found ? new AppliedEventRecord(found.Sequence, found.Event.Memory) : null;

    /// <summary>
    /// The archive of a store in this folder that no process has open, ascending; of one that lost its objects, what it kept aside. An event that cannot be read is there with its
    /// number and no bytes.
    /// </summary>
    public static IEnumerable<AppliedEventRecord> ReadArchive(StoreLayout layout, string repository)
    {
        ArgumentNullException.ThrowIfNull(layout);
        string folder = layout.AppliedFolder(repository);
        return new[] { folder + LostParts.AsideSuffix, folder }
            .Where(Directory.Exists)
            .SelectMany(f => new AppliedArchive(f, layout.RepositoryFolder(repository)).ReadAllNumbered())
            .Select(e => new AppliedEventRecord(e.Sequence, e.Event?.Event.Memory ?? default));
    }

    /// <summary>Waits for what runs and closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        await _committing.WaitAsync().ConfigureAwait(false);
        await _applying.WaitAsync().ConfigureAwait(false);
        _commits.Dispose();
        Index.Dispose();
        _committing.Dispose();
        _applying.Dispose();
    }

    private Task<bool> ApplyAsync(long sequence, Func<Task> apply, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sequence);
        return ExclusiveAsync(
            _applying,
            async () =>
            {
                if (sequence <= AppliedSequence)
                    return false;
                await apply().ConfigureAwait(false);
                Interlocked.Exchange(ref _appliedSequence, sequence);
                return true;
            },
            cancellationToken);
    }

    private bool ApplyToIndex(CommittedRevision revision) => ApplyToIndex(
        new RevisionRecords(revision.Head.Revision, revision.Head.Previous?.Revision ?? 0, revision.PathInfoDigest, revision.DeltaDigest), revision.Head.PublishedAt);

    private bool ApplyToIndex(RevisionRecords records, DateTimeOffset? publishedAt = null) => records.AreForgotten
        ? Index.Apply(records.Revision, records.Previous, [], [], [], Objects.Contains)
        : Index.Apply(
        records.Revision,
        records.Previous,
        PathInfoFile.Read(OpenBlob(records.PathInfoDigest, records.Revision), records.PathInfoDigest),
        PathInfoFile.ReadRemovedNames(OpenBlob(records.PathInfoDigest, records.Revision), records.PathInfoDigest),
        DeltaFile.Read(OpenBlob(records.DeltaDigest, records.Revision), records.DeltaDigest),
        Objects.Contains,
        publishedAt,
        records.PathInfoDigest,
        PathInfoFile.ReadSigned(OpenBlob(records.PathInfoDigest, records.Revision), records.PathInfoDigest));

    private Stream OpenBlob(string digest, ulong revision) =>
        Blobs.OpenRead(digest) ?? throw new IncompleteStoreException(Format.Repository, $"revision {revision}", [digest]);

    private async Task RequireCompleteAsync(CommittedRevision revision, CancellationToken cancellationToken, bool withCatalogs = true)
    {
        List<string> missing = [.. new[] { revision.PathInfoDigest, revision.DeltaDigest }.Where(d => !Blobs.Contains(d))];
        if (missing.Count == 0)
        {
            foreach (StoreItem[] part in StoreItems.OfDelta(this, revision, withCatalogs).Chunk(CheckedAtOnce))
            {
                missing.AddRange((await Objects.ConfirmDurableAsync(part.Select(i => i.Object), cancellationToken).ConfigureAwait(false)).Select(n => n.ToString()));
                if (missing.Count >= IncompleteStoreException.MissingMax)
                    break;
            }
        }

        if (missing.Count > 0)
            throw new IncompleteStoreException(Format.Repository, $"revision {revision.Head.Revision}", [.. missing.Take(IncompleteStoreException.MissingMax)]);
    }

    private Task WriteManifestAsync(RepositoryHead head, ReadOnlyMemory<byte> signedManifest) => WriteManifestAsync(head.Revision, head.ManifestAt, signedManifest);

    private async Task WriteManifestAsync(ulong revision, DateTimeOffset manifestAt, ReadOnlyMemory<byte> signedManifest)
    {
        StepProbe.At(StepNames.NamedBefore, Format.Repository);
        // The archive may have been lost while the named files stayed; then old events come again, and clients must not see them come back.
        if (ServedManifest() is not { } served || served.Revision < revision || (served.Revision == revision && served.PublishedAt <= manifestAt))
            await WriteNamedAsync(ManifestFile, signedManifest, () => StepProbe.At(StepNames.NamedTemporary, Format.Repository)).ConfigureAwait(false);
        StepProbe.At(StepNames.NamedAfter, Format.Repository);
    }

    // Once an event is archived its effect is not cancelled: what stands between is a few milliseconds.
    private Task WriteNamedAsync(string name, ReadOnlyMemory<byte> content, Action? beforeRename = null) => DurableFile.WriteAtomicAsync(
        _objects.TemporaryFolder,
        Path.Combine(_objects.RepositoryFolder, name),
        content,
        beforeRename: beforeRename,
        cancellationToken: CancellationToken.None);

    private Manifest? ServedManifest()
    {
        string file = Path.Combine(_objects.RepositoryFolder, ManifestFile);
        if (!File.Exists(file))
            return null;
        try
        {
            return Manifest.ParseSigned(File.ReadAllBytes(file)).Manifest;
        }
        catch (ManifestFormatException)
        {
            // Not of our making; it is replaced by one that is good.
            return null;
        }
    }

    // A second line of defence behind the collector's own rules: whatever the event says, the served revision stays readable.
    private HashSet<ObjectName> ServedObjects()
    {
        if (ServedManifest() is not { } manifest)
            return [];
        var root = new ObjectName(manifest.RootHash, ObjectKind.Catalog);
        var served = new HashSet<ObjectName> { root, new(manifest.Certificate, ObjectKind.Certificate), CatalogRows.EmptyObject(Format.HashAlgorithm) };
        if (manifest.History is { } history)
            served.Add(new ObjectName(history, ObjectKind.History));
        if (CatalogFile.NestedIn(_objects, root, Format.StoreRoot, Layout.WorkFolder(Format.Repository)) is { } store)
            served.Add(store);
        return served;
    }

    private static async Task<T> ExclusiveAsync<T>(SemaphoreSlim gate, Func<Task<T>> action, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Off the caller's thread: catalogs are edited synchronously, and callers may be actors.
            return await Task.Run(action, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }
}

/// <summary>An event that the store has applied, as its archive kept it.</summary>
/// <param name="Sequence">Its journal sequence number.</param>
/// <param name="Event">Its bytes.</param>
public sealed record AppliedEventRecord(long Sequence, ReadOnlyMemory<byte> Event);
