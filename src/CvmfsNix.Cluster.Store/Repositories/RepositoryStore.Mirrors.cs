using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>
/// The side of a mirror. It nets many events into one step and has derived from the catalogs themselves that the store is complete; what is left
/// to do here is the order of the named files, and what may be deleted.
/// </summary>
public sealed partial class RepositoryStore
{
    /// <summary>The times of files run a little behind the clock.</summary>
    private static readonly TimeSpan FileTimesMargin = TimeSpan.FromSeconds(1);

    private long _fillingSince;

    /// <summary>
    /// Everything up to an event takes effect at once: the whitelist is replaced, then the manifest. The caller has made sure that the store holds
    /// whatever can be reached from the manifest, and that it is signed.
    /// </summary>
    /// <param name="sequence">Journal sequence number of the last event of the step; one that is not newer than <see cref="AppliedSequence"/> changes nothing.</param>
    /// <param name="eventBytes">What the archive keeps of it.</param>
    /// <param name="manifest">The new manifest; null = it stays.</param>
    /// <param name="whitelist">The new whitelist; empty = it stays.</param>
    /// <param name="cancellationToken">Stops before the step, never in it.</param>
    /// <returns>False when it was in effect before.</returns>
    /// <exception cref="IncompleteStoreException">What the manifest names itself is not here; nothing was changed.</exception>
    public Task<bool> MirrorAsync(long sequence, ReadOnlyMemory<byte> eventBytes, SignedManifest? manifest, ReadOnlyMemory<byte> whitelist, CancellationToken cancellationToken) => ApplyAsync(
        sequence,
        async () =>
        {
            if (manifest is not null)
                RequireNamedBy(manifest.Manifest);
            (string file, ReadOnlyMemory<byte> content) = manifest is not null ? (ManifestFile, manifest.Bytes) : (WhitelistFile, whitelist);
            await _applied.AddAsync(sequence, eventBytes, content.IsEmpty ? null : file, content, cancellationToken).ConfigureAwait(false);
            if (!whitelist.IsEmpty)
                await WriteNamedAsync(WhitelistFile, whitelist).ConfigureAwait(false);
            if (manifest is null)
                return;
            // A stock replica of a replica looks for it first.
            if (!File.Exists(Path.Combine(_objects.RepositoryFolder, MasterReplicaFile)))
                await WriteNamedAsync(MasterReplicaFile, MasterReplicaText).ConfigureAwait(false);
            await WriteManifestAsync(manifest.Manifest.Revision, manifest.Manifest.PublishedAt, manifest.Bytes).ConfigureAwait(false);
            FillingSince = null;
        },
        cancellationToken);

    /// <summary>
    /// Since when objects come here for a state that is not served yet, over all attempts that failed; null = none do. What came or was counted on since then is needed
    /// by that state, although nothing that is served says so.
    /// </summary>
    public DateTimeOffset? FillingSince
    {
        get => Interlocked.Read(ref _fillingSince) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;
        private set => Interlocked.Exchange(ref _fillingSince, value?.UtcTicks ?? 0);
    }

    /// <summary>Objects for a new state are about to be counted on or to come; <see cref="MirrorAsync"/> with its manifest ends it.</summary>
    /// <param name="now">The time.</param>
    public void BeginFilling(DateTimeOffset now) => Interlocked.CompareExchange(ref _fillingSince, (now - FileTimesMargin).UtcTicks, 0);

    /// <summary>Adds a revision to the index. Oldest first; one that is indexed changes nothing.</summary>
    /// <exception cref="IndexBehindException">The revision before it is not indexed.</exception>
    /// <exception cref="IncompleteStoreException">A record file of the revision is not here.</exception>
    public Task IndexAsync(RevisionRecords records, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(records);
        return Task.Run(
            () =>
            {
                if (!ApplyToIndex(records))
                    throw new IndexBehindException(Format.Repository, Index.Revision, records.Revision - 1);
            },
            cancellationToken);
    }

    /// <summary>Empties the index; <see cref="IndexAsync"/> fills it again from the first revision on. What is served stays.</summary>
    public Task ForgetIndexAsync(CancellationToken cancellationToken) => ExclusiveAsync(
        _applying,
        () =>
        {
            Index.Clear();
            return Task.FromResult(true);
        },
        cancellationToken);

    /// <summary>
    /// Deletes superseded catalogs and tag databases, except those that what is served here needs: also a wrong list breaks no reader. Objects of
    /// other kinds stay.
    /// </summary>
    /// <returns>Objects deleted.</returns>
    public Task<int> DropCollectedAsync(IReadOnlyCollection<ObjectName> objects, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(objects);
        return ExclusiveAsync(
            _applying,
            () =>
            {
                HashSet<ObjectName> needed = ObjectsServedToMirrors();
                ObjectName[] deletable = [.. objects.Where(o => o.Kind is ObjectKind.Catalog or ObjectKind.History && !needed.Contains(o) && _objects.Contains(o))];
                foreach (ObjectName name in deletable)
                    _objects.Delete(name);
                Index.RemoveObjects(deletable);
                return Task.FromResult(deletable.Length);
            },
            cancellationToken);
    }

    /// <summary>The manifest that is served; null when there is none.</summary>
    public Manifest? Served => ServedManifest();

    /// <summary>The whitelist that is served; empty when there is none.</summary>
    public ReadOnlyMemory<byte> ServedWhitelist()
    {
        string file = Path.Combine(_objects.RepositoryFolder, WhitelistFile);
        return File.Exists(file) ? File.ReadAllBytes(file) : ReadOnlyMemory<byte>.Empty;
    }

    /// <summary>Writes a small file beside the manifest that tells people and monitors something; it is whole or not there, and need not survive a power loss.</summary>
    /// <param name="name">Its name, as <c>.cvmfs_last_snapshot</c>.</param>
    /// <param name="content">All of it; null removes it.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteMark(string name, string? content)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        string file = Path.Combine(_objects.RepositoryFolder, Path.GetFileName(name));
        if (content is null)
        {
            File.Delete(file);
            return;
        }

        string temporary = Path.Combine(_objects.TemporaryFolder, $".{Guid.NewGuid():N}.tmp");
        try
        {
            File.WriteAllText(temporary, content);
            File.Move(temporary, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            DurableFile.TryDelete(temporary);
            throw new IOException($"Cannot write {file}: {e.Message}", e);
        }
    }

    private void RequireNamedBy(Manifest manifest)
    {
        var named = new List<ObjectName> { new(manifest.RootHash, ObjectKind.Catalog), new(manifest.Certificate, ObjectKind.Certificate) };
        if (manifest.History is { } history)
            named.Add(new ObjectName(history, ObjectKind.History));
        if (_objects.FindMissing(named) is { Count: > 0 } missing)
            throw new IncompleteStoreException(Format.Repository, $"revision {manifest.Revision}", [.. missing.Select(m => m.ToString())]);
    }

    // Root and tags, the catalog of the store directory in each, and those nested in it: there are no more.
    private HashSet<ObjectName> ObjectsServedToMirrors()
    {
        HashSet<ObjectName> needed = ServedObjects();
        if (ServedManifest() is not { } manifest)
            return needed;
        string scratch = Layout.WorkFolder(Format.Repository);
        IEnumerable<ObjectHash> roots = [manifest.RootHash, .. manifest.History is { } history ? TagsIn(history).Select(t => t.RootHash) : []];
        foreach (ObjectName root in roots.Distinct().Select(r => new ObjectName(r, ObjectKind.Catalog)))
        {
            needed.Add(root);
            if (CatalogFile.NestedIn(_objects, root, Format.StoreRoot, scratch) is not { } store)
                continue;
            if (needed.Add(store) || root.Hash == manifest.RootHash)
                needed.UnionWith(CatalogFile.AllNestedIn(_objects, store, scratch));
        }

        return needed;
    }

    private IReadOnlyList<RepositoryTag> TagsIn(ObjectHash history)
    {
        using Stream? stored = _objects.OpenRead(new ObjectName(history, ObjectKind.History));
        if (stored is null)
            return [];
        string file = Path.Combine(Layout.WorkFolder(Format.Repository), $"look-{Guid.NewGuid():N}.sqlite");
        try
        {
            using (Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib))
            using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                plain.CopyTo(copy);
            return TagDatabase.Read(file);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
