using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Catalogs;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Scrubbing;

/// <summary>
/// Reads all of a store again, at a bounded rate, and compares it with its names; then walks the served revision and its tags without taking anything
/// for granted. What is damaged is removed, which for clients is no worse, and it and what is missing are fetched from another copy.
/// </summary>
public sealed class StoreScrub
{
    private const int BufferSize = 128 * 1024;
    private const int NamedMax = 10_000;

    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(20);

    private readonly RepositoryStore _store;
    private readonly FetchSources _sources;
    private readonly ReplicationLimits _limits;
    private readonly TimeProvider _clock;

    /// <param name="store">What is read.</param>
    /// <param name="sources">Other copies.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="clock">For the rate.</param>
    public StoreScrub(RepositoryStore store, FetchSources sources, ReplicationLimits limits, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(clock);
        (_store, _sources, _limits, _clock) = (store, sources, limits, clock);
    }

    /// <summary>Runs once. The store may be written and served meanwhile.</summary>
    /// <param name="bytesPerSecond">Bytes that are read in a second at most; 0 = as fast as it goes.</param>
    /// <param name="progress">Told of every item; may be null.</param>
    /// <param name="cancellationToken">Gives up; what was found damaged until then is removed and not fetched.</param>
    public async Task<ScrubResult> RunAsync(long bytesPerSecond, IProgress<ScrubProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytesPerSecond);
        var target = new ReplicaTarget(_store);
        var damaged = new List<StoreItem>();
        long items = 0, bytes = 0;
        long started = _clock.GetTimestamp();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            foreach (StoreItem item in All(target))
            {
                if (await IsGoodAsync(item).ConfigureAwait(false) == false)
                {
                    Remove(item);
                    damaged.Add(item);
                }

                items++;
                progress?.Report(new ScrubProgress(items, bytes, damaged.Count));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        (IReadOnlyList<StoreItem> missing, string? problem) = await RefetchAsync(target, damaged, cancellationToken).ConfigureAwait(false);
        return new ScrubResult(
            items,
            bytes,
            Names(damaged),
            Names(missing),
            Names([.. damaged.Concat(missing).Where(target.Contains)]),
            problem);

        // Null: it is not there any more.
        async Task<bool?> IsGoodAsync(StoreItem item)
        {
            try
            {
                Stream? content = item.Blob is { } blob ? _store.Blobs.OpenRead(blob) : _store.Objects.OpenRead(item.Object);
                if (content is null)
                    return null;
                await using (content.ConfigureAwait(false))
                {
                    using var sha256 = item.Blob is null ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                    using var hasher = item.Blob is null ? new ObjectHasher(item.Object.Hash.Algorithm) : null;
                    for (int read; (read = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                    {
                        sha256?.AppendData(buffer.AsSpan(0, read));
                        hasher?.Append(buffer.AsSpan(0, read));
                        bytes += read;
                        await PaceAsync().ConfigureAwait(false);
                    }

                    return sha256 is not null ? Convert.ToHexStringLower(sha256.GetHashAndReset()) == item.Blob : hasher!.Finish() == item.Object.Hash;
                }
            }
            catch (IOException)
            {
                // A disk that cannot read it any more.
                return false;
            }
        }

        async ValueTask PaceAsync()
        {
            if (bytesPerSecond == 0)
                return;
            TimeSpan ahead = TimeSpan.FromSeconds((double)bytes / bytesPerSecond) - _clock.GetElapsedTime(started);
            if (ahead > PauseMin)
                await Task.Delay(ahead, _clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private IEnumerable<StoreItem> All(ReplicaTarget target)
    {
        for (int i = 0; i < 256; i++)
        {
            string folder = i.ToString("x2", System.Globalization.CultureInfo.InvariantCulture);
            foreach (string file in Directory.EnumerateFiles(Path.Combine(target.RepositoryFolder, "data", folder)))
            {
                if (ObjectName.TryParsePath($"data/{folder}/{Path.GetFileName(file)}", out ObjectName name) && name.Hash.Algorithm == _store.Format.HashAlgorithm)
                    yield return StoreItem.Of(name);
            }
        }

        foreach (string digest in _store.Blobs.List())
        {
            if (Store.Blobs.BlobFolder.IsDigest(digest))
                yield return StoreItem.OfBlob(digest);
        }
    }

    private void Remove(StoreItem item)
    {
        if (item.Blob is { } blob)
            _store.Blobs.Delete(blob);
        else
            _store.Objects.Delete(item.Object);
    }

    private async Task<(IReadOnlyList<StoreItem> Missing, string? Problem)> RefetchAsync(ReplicaTarget target, IReadOnlyList<StoreItem> damaged, CancellationToken cancellationToken)
    {
        var known = new HashSet<StoreItem>(damaged);
        var missing = new List<StoreItem>();
        using var shelf = new CatalogShelf(target, _limits);
        var fetch = new RevisionFetch(target, shelf, _sources, _limits, _clock, null, cancellationToken);
        await using (fetch.ConfigureAwait(false))
        {
            fetch.Pool.Adding = item =>
            {
                lock (missing)
                {
                    if (missing.Count < NamedMax && known.Add(item))
                        missing.Add(item);
                }
            };
            try
            {
                // Also what the served revision does not need: the next one may be made of it, and somebody counts on record files.
                await fetch.FetchAsync(damaged.Select(d => RevisionFetch.NewWanted(d, 0, optional: true))).ConfigureAwait(false);
                if (ServedState.Read(target.RepositoryFolder) is { } served)
                    await fetch.CompleteAsync(served, complete: null).ConfigureAwait(false);
                int left = damaged.Count(d => !target.Contains(d));
                return (missing, left == 0 ? null : $"{left} damaged files that the served revision does not need are on no other copy.");
            }
            catch (ReplicationException e)
            {
                return (missing, e.Message);
            }
        }
    }

    private static IReadOnlyList<string> Names(IReadOnlyList<StoreItem> items) => [.. items.Take(NamedMax).Select(i => i.ToString())];
}
