using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Catalogs;

/// <summary>
/// Derives from the catalogs of a revision what it needs, level by level, and asks for what is not here. Of a catalog that has a counterpart in a
/// complete revision, only what the counterpart does not name is looked at: that all of the rest is here follows. Everything else is
/// looked for in the store, and every catalog that is not known to be complete is opened, also one that is here: an earlier attempt may have brought it
/// and then have been cut off.
/// </summary>
internal sealed class CatalogWalk(ReplicaTarget target, FetchPool pool, CatalogShelf shelf, FetchMeter meter)
{
    private const int CatalogsAtOnce = 1024;
    private const int AddedAtOnce = 512;
    private const int SeenMax = 1 << 17;

    private readonly FetchGroup _objects = new();

    // Catalogs below which everything is here, or is being brought by this walk.
    private readonly HashSet<ObjectHash> _handled = [];

    // Objects that were found here; only so as not to look again, so it may be emptied.
    private readonly HashSet<ObjectName> _seen = [];
    private readonly Lock _gate = new();
    private readonly ConcurrentBag<ObjectHash> _absent = [];

    /// <summary>Catalogs that no source has; what is below them is not known.</summary>
    public IReadOnlyCollection<ObjectHash> Absent => _absent;

    /// <summary>Takes a revision for complete: it is served.</summary>
    public void Trust(ObjectHash root) => _handled.Add(root);

    /// <summary>Asks for all that a revision needs and is not here.</summary>
    /// <param name="root">Its root catalog.</param>
    /// <param name="size">Bytes of the unpacked root catalog; 0 = not known.</param>
    /// <param name="complete">Root catalog of a revision that is complete or was walked before; null = nothing is known.</param>
    /// <param name="optional">Whether the root catalog may be nowhere.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>False when the root catalog is nowhere.</returns>
    public async Task<bool> WalkAsync(ObjectHash root, long size, ObjectHash? complete, bool optional, CancellationToken cancellationToken)
    {
        if (!_handled.Add(root))
            return true;
        OpenCatalog? counterpart = complete is { } known ? await shelf.OpenAsync(known, 0, cancellationToken).ConfigureAwait(false) : null;
        var level = new List<Pending> { new(RepositoryPath.Root, root, size, counterpart) };
        bool first = true;
        while (level.Count > 0)
        {
            meter.CatalogsNeeded(level.Count);
            var next = new ConcurrentBag<Pending>();
            Pending[][] parts = [.. level.Chunk(CatalogsAtOnce)];
            FetchGroup coming = await AskAsync(parts[0], optional && first).ConfigureAwait(false);
            for (int i = 0; i < parts.Length; i++)
            {
                // The next ones travel while these are read.
                FetchGroup? following = i + 1 < parts.Length ? await AskAsync(parts[i + 1], false).ConfigureAwait(false) : null;
                await pool.WaitAsync(coming).ConfigureAwait(false);
                await Parallel.ForEachAsync(parts[i], cancellationToken, async (pending, token) => await ReadAsync(pending, next, token).ConfigureAwait(false)).ConfigureAwait(false);
                coming = following ?? coming;
            }

            if (first && _absent.Contains(root))
                return false;
            first = false;
            level = [.. next];
        }

        return true;
    }

    /// <summary>
    /// Asks for the revisions before one that was walked, as far back as their root catalogs are named and are anywhere: what a stock replica keeps of a
    /// repository that it followed.
    /// </summary>
    /// <param name="root">Root catalog of the revision.</param>
    /// <param name="served">Root catalog of the revision that is served, which has its predecessors already; null = none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task WalkPredecessorsAsync(ObjectHash root, ObjectHash? served, CancellationToken cancellationToken)
    {
        for (ObjectHash at = root; ;)
        {
            OpenCatalog? catalog = await shelf.OpenAsync(at, 0, cancellationToken).ConfigureAwait(false);
            if (catalog?.Reader.Properties.PreviousRevision is not { } previous || previous == served || !await WalkAsync(previous, 0, at, optional: true, cancellationToken).ConfigureAwait(false))
                return;
            at = previous;
        }
    }

    /// <summary>Ends when all that was asked for is durable or was found to be nowhere.</summary>
    public Task FinishAsync() => pool.WaitAsync(_objects);

    private async Task<FetchGroup> AskAsync(IEnumerable<Pending> part, bool optional)
    {
        var group = new FetchGroup();
        await pool.AddAsync(part.Where(p => !target.Contains(StoreItem.Of(p.Name))).Select(p => new Wanted(StoreItem.Of(p.Name), group)
        {
            Bytes = p.Size / 4,
            Base = p.Counterpart is { } older ? new ObjectName(older.Hash, ObjectKind.Catalog) : null,
            Compression = CompressionAlgorithm.Zlib,
            Optional = optional,
        })).ConfigureAwait(false);
        return group;
    }

    private async Task ReadAsync(Pending pending, ConcurrentBag<Pending> next, CancellationToken cancellationToken)
    {
        bool present = target.Contains(StoreItem.Of(pending.Name));
        OpenCatalog? catalog = await shelf.UnpackAsync(pending.Hash, pending.Size, cancellationToken).ConfigureAwait(false);
        if (catalog is null && present)
        {
            // It was here, so that it was not asked for, and is damaged.
            FetchGroup again = await AskAsync([pending], false).ConfigureAwait(false);
            await pool.WaitAsync(again).ConfigureAwait(false);
            catalog = await shelf.UnpackAsync(pending.Hash, pending.Size, cancellationToken).ConfigureAwait(false);
        }

        if (catalog is null)
        {
            _absent.Add(pending.Hash);
            return;
        }

        // The ones that will have a next version, rather than those of single store paths.
        bool keep = pending.Counterpart is not null || pending.Path.IsRoot || catalog.Reader.Statistics.Self.Nested > 0;
        try
        {
            await ScanAsync(pending, catalog, keep, next).ConfigureAwait(false);
            meter.CatalogRead();
        }
        finally
        {
            if (keep)
                shelf.Keep(catalog);
            else
                catalog.Dispose();
        }
    }

    private async Task ScanAsync(Pending pending, OpenCatalog catalog, bool keep, ConcurrentBag<Pending> next)
    {
        HashSet<ObjectName>? known = pending.Counterpart is { } older ? shelf.Guarded(older.Hash, older.Names) : null;
        HashSet<ObjectName>? names = keep ? [] : null;
        HashSet<ObjectHash> nested = [];
        var wanted = new List<Wanted>();
        using IEnumerator<CatalogReference> references = catalog.Reader.References().GetEnumerator();
        while (shelf.Guarded(pending.Hash, references.MoveNext))
        {
            CatalogReference reference = references.Current;
            names?.Add(reference.Name);
            if (known is not null && known.Contains(reference.Name))
                continue;
            if (reference.Name.Kind == ObjectKind.Catalog)
                nested.Add(reference.Name.Hash);
            else if (IsMissing(reference))
                wanted.Add(new Wanted(StoreItem.Of(reference.Name), _objects) { Bytes = reference.Size, Compression = reference.Compression });
            if (wanted.Count >= AddedAtOnce)
            {
                await pool.AddAsync(wanted).ConfigureAwait(false);
                wanted.Clear();
            }
        }

        if (names is not null)
            catalog.Remember(names);
        await pool.AddAsync(wanted).ConfigureAwait(false);
        if (nested.Count > 0)
            await EnterAsync(pending, catalog, nested, next).ConfigureAwait(false);
    }

    private async Task EnterAsync(Pending pending, OpenCatalog catalog, HashSet<ObjectHash> nested, ConcurrentBag<Pending> next)
    {
        foreach (NestedCatalog mounted in shelf.Guarded(pending.Hash, () => catalog.Reader.NestedWith(nested)))
        {
            lock (_gate)
            {
                if (!_handled.Add(mounted.Hash))
                    continue;
            }

            OpenCatalog? counterpart = null;
            if (pending.Counterpart is { } older && shelf.Guarded(older.Hash, () => older.Reader.FindNested(mounted.Path)) is { } before)
                counterpart = await shelf.OpenAsync(before.Hash, before.Size, CancellationToken.None).ConfigureAwait(false);
            next.Add(new Pending(mounted.Path, mounted.Hash, mounted.Size, counterpart));
        }
    }

    private bool IsMissing(CatalogReference reference)
    {
        lock (_gate)
        {
            if (_seen.Contains(reference.Name))
                return false;
        }

        if (reference.Compression == CompressionAlgorithm.Zlib && pool.IsRaw(reference.Name))
            throw Intake.NotInflating(target, reference.Name);
        bool missing = !target.Contains(StoreItem.Of(reference.Name));
        if (!missing)
        {
            lock (_gate)
            {
                if (_seen.Count >= SeenMax)
                    _seen.Clear();
                _seen.Add(reference.Name);
            }
        }

        return missing;
    }

    /// <summary>A catalog to be read.</summary>
    /// <param name="Path">Where it is mounted.</param>
    /// <param name="Hash">It.</param>
    /// <param name="Size">Bytes of the unpacked file; 0 = not known.</param>
    /// <param name="Counterpart">The catalog at the same place in a complete revision; null = there is none.</param>
    private sealed record Pending(RepositoryPath Path, ObjectHash Hash, long Size, OpenCatalog? Counterpart)
    {
        public ObjectName Name => new(Hash, ObjectKind.Catalog);
    }
}
