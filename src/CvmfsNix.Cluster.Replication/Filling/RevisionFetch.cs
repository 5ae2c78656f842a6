using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication.Catalogs;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Replication.Trust;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Filling;

/// <summary>One attempt to bring a revision here: what <see cref="ReplicaFiller"/> and a follower of stock servers have in common.</summary>
internal sealed class RevisionFetch : IAsyncDisposable
{
    // What stock clients take of a certificate or metainfo.
    private const int SmallObjectMax = 1 << 20;

    private readonly ReplicaTarget _target;
    private readonly CatalogShelf _shelf;
    private readonly ReplicationLimits _limits;
    private readonly CatalogWalk _walk;
    private readonly CancellationToken _cancel;

    public RevisionFetch(ReplicaTarget target, CatalogShelf shelf, FetchSources sources, ReplicationLimits limits, TimeProvider clock, IProgress<FillProgress>? progress, CancellationToken cancellationToken)
    {
        _target = target;
        _shelf = shelf;
        _limits = limits;
        _cancel = cancellationToken;
        Meter = new FetchMeter(progress, clock);
        Pool = new FetchPool(target, sources, limits, clock, Meter, cancellationToken);
        _walk = new CatalogWalk(target, Pool, shelf, Meter);
    }

    /// <summary>What came.</summary>
    public FetchMeter Meter { get; }

    /// <summary>Where it comes from.</summary>
    public FetchPool Pool { get; }

    /// <summary>Tags whose root catalog is nowhere.</summary>
    public List<string> TagsSkipped { get; } = [];

    /// <summary>Verifies a manifest, and brings its certificate for that if it is not here.</summary>
    /// <exception cref="ReplicationException">It is not to be believed, or its certificate cannot be had.</exception>
    public async Task VerifyAsync(TrustChain trust, SignedManifest manifest, SignedWhitelist whitelist)
    {
        var name = new ObjectName(manifest.Manifest.Certificate, ObjectKind.Certificate);
        byte[]? stored = await ReadSmallAsync(name).ConfigureAwait(false);
        if (stored is null)
        {
            await FetchAsync([NewWanted(StoreItem.Of(name), 0)]).ConfigureAwait(false);
            Pool.ThrowIfNowhere($"the certificate of {_target.Repository}");
            stored = await ReadSmallAsync(name).ConfigureAwait(false);
        }

        trust.CheckManifest(manifest, whitelist, stored ?? throw new ReplicationException(ReplicationFailure.DiskFailed, $"The certificate {name} of {_target.Repository} was fetched and cannot be read back."));
    }

    /// <summary>Brings what is not here of a list, all in one go.</summary>
    public async Task FetchAsync(IEnumerable<Func<FetchGroup, Wanted>> wanted)
    {
        var group = new FetchGroup();
        await Pool.AddAsync(wanted.Select(w => w(group)).Where(w => !_target.Contains(w.Item))).ConfigureAwait(false);
        await Pool.WaitAsync(group).ConfigureAwait(false);
    }

    /// <summary>An item to be brought.</summary>
    public static Func<FetchGroup, Wanted> NewWanted(StoreItem item, long bytes, ObjectName? baseName = null, bool optional = false) => group => new Wanted(item, group)
    {
        Bytes = bytes,
        Base = baseName,
        Optional = optional,
        Compression = item.Blob is null && item.Object.Kind is not (ObjectKind.Data or ObjectKind.Chunk) ? CompressionAlgorithm.Zlib : null,
    };

    /// <summary>Brings all that a verified manifest needs. On return it is here and durable.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="complete">Root catalog of a revision that is complete here; null = none.</param>
    /// <param name="walkHistory">Whether to bring predecessors as well, as far as sources have them.</param>
    /// <exception cref="ReplicationException">Something of it cannot be had, or is no good.</exception>
    public async Task CompleteAsync(Manifest manifest, ObjectHash? complete, bool walkHistory = false)
    {
        string purpose = $"revision {manifest.Revision} of {_target.Repository}";
        if (complete is { } served)
            _walk.Trust(served);
        await FetchAsync(Fixed(manifest)).ConfigureAwait(false);
        Pool.ThrowIfNowhere(purpose);
        await _walk.WalkAsync(manifest.RootHash, manifest.RootSize, complete, optional: false, _cancel).ConfigureAwait(false);
        foreach (RepositoryTag tag in await TagsAsync(manifest).ConfigureAwait(false))
        {
            // Garbage collection may take the revision before the newest while it is asked for; a replica of ours is then as complete as its source.
            if (!await _walk.WalkAsync(tag.RootHash, 0, manifest.RootHash, optional: manifest.GarbageCollectable, _cancel).ConfigureAwait(false))
                TagsSkipped.Add(tag.Name);
        }

        if (walkHistory)
            await _walk.WalkPredecessorsAsync(manifest.RootHash, complete, _cancel).ConfigureAwait(false);
        await _walk.FinishAsync().ConfigureAwait(false);
        Pool.ThrowIfNowhere(purpose);
        await _target.ConfirmFoundAsync(_cancel).ConfigureAwait(false);
        Meter.Tell(always: true);
    }

    /// <summary>Names of the objects that a manifest itself names, without the root catalog.</summary>
    public static IEnumerable<ObjectName> NamedBy(Manifest manifest)
    {
        yield return new ObjectName(manifest.Certificate, ObjectKind.Certificate);
        if (manifest.History is { } history)
            yield return new ObjectName(history, ObjectKind.History);
        if (manifest.MetaInfo is { } meta)
            yield return new ObjectName(meta, ObjectKind.MetaInfo);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Pool.DisposeAsync();

    private static IEnumerable<Func<FetchGroup, Wanted>> Fixed(Manifest manifest) => NamedBy(manifest).Select(name => NewWanted(StoreItem.Of(name), 0));

    private async Task<IReadOnlyList<RepositoryTag>> TagsAsync(Manifest manifest)
    {
        if (manifest.History is not { } history)
            return [];
        var name = new ObjectName(history, ObjectKind.History);
        string? file = await StoredDatabase.UnpackAsync(_target, name, 0, _limits.DatabaseBytesMax, _cancel).ConfigureAwait(false);
        if (file is null)
        {
            await FetchAsync([NewWanted(StoreItem.Of(name), 0)]).ConfigureAwait(false);
            Pool.ThrowIfNowhere($"revision {manifest.Revision} of {_target.Repository}");
            file = await StoredDatabase.UnpackAsync(_target, name, 0, _limits.DatabaseBytesMax, _cancel).ConfigureAwait(false)
                ?? throw new ReplicationException(ReplicationFailure.DiskFailed, $"The tag database {name} of {_target.Repository} was fetched and cannot be read back.");
        }

        try
        {
            return TagDatabase.Read(file);
        }
        catch (TagDatabaseFormatException e)
        {
            throw new ReplicationException(ReplicationFailure.Corrupt, $"The tag database {name} of {_target.Repository} is signed and no good: {e.Message}", e);
        }
        finally
        {
            File.Delete(file);
        }
    }

    // Null also for one that is damaged, which is then removed.
    private async Task<byte[]?> ReadSmallAsync(ObjectName name)
    {
        try
        {
            Stream? stored = _target.OpenRead(name);
            if (stored is null)
                return null;
            byte[] bytes;
            await using (stored.ConfigureAwait(false))
            {
                bytes = new byte[Math.Min(stored.Length, SmallObjectMax + 1)];
                await stored.ReadExactlyAsync(bytes, _cancel).ConfigureAwait(false);
            }

            if (ObjectHasher.Hash(name.Hash.Algorithm, bytes) == name.Hash)
                return bytes;
            _target.Objects(name.Hash.Algorithm)!.Delete(name);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Intake.DiskProblem(e, _target);
        }
    }
}
