using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <inheritdoc cref="IStoreAdministration"/>
internal sealed class StoreAdministration(StoreSet set, StoreCopies copies, LocalRepositories local, CoreOptions options, TimeProvider clock) : IStoreAdministration
{
    private const int BufferSize = 128 * 1024;
    private const int ReportEvery = 1_000;
    private const int NamedMax = 1_000;
    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(20);

    public int CopiesRequired => options.Copies;

    public IReadOnlyList<StoreView> Stores =>
        [.. set.Stores.Select(s => new StoreView(s.Id, s.Address, s.Url, s.Site, s.Id == set.OwnId)).OrderBy(s => s.Address, StringComparer.Ordinal)];

    public async Task<StoreScrubReport> ScrubAsync(string fqrn, bool repair, long bytesPerSecond, Action<StoreScrubReport> progress, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(progress);
        if (local.Require(fqrn).Backend is not StoreBackend { Store: var store })
            throw new PublishingException(PublishingCodes.UnknownRepository, $"This node has no store of {fqrn}.", fqrn, "Ask another node.");
        var damaged = new List<StoreItem>();
        long items = 0, bytes = 0, started = clock.GetTimestamp();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            foreach (var item in All(store))
            {
                var (good, read) = await CheckAsync(store, item, buffer, ct).ConfigureAwait(false);
                bytes += read;
                if (!good && damaged.Count < NamedMax)
                    damaged.Add(item);
                if (++items % ReportEvery == 0)
                    progress(Report([]));
                if (bytesPerSecond > 0 && TimeSpan.FromSeconds((double)bytes / bytesPerSecond) - clock.GetElapsedTime(started) is var ahead && ahead > PauseMin)
                    await Task.Delay(ahead, clock, ct).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return Report(repair && damaged.Count > 0 ? await RepairAsync(store, damaged, ct).ConfigureAwait(false) : []);

        StoreScrubReport Report(IReadOnlyList<StoreItem> repaired) => new(items, bytes, [.. damaged.Select(d => d.ToString())], [.. repaired.Select(r => r.ToString())]);
    }

    // Without another store nothing is removed: half a file is worth more to a rescuer than none.
    private async Task<IReadOnlyList<StoreItem>> RepairAsync(RepositoryStore store, IReadOnlyList<StoreItem> damaged, CancellationToken ct)
    {
        if (set.Others.Count == 0)
            return [];
        foreach (var item in damaged)
        {
            if (item.Blob is { } blob)
                store.Blobs.Delete(blob);
            else
                store.Objects.Delete(item.Object);
        }

        var lost = await copies.PullAsync(store, [.. damaged], ct).ConfigureAwait(false);
        return [.. damaged.Except(lost)];
    }

    private static async Task<(bool Good, long Bytes)> CheckAsync(RepositoryStore store, StoreItem item, byte[] buffer, CancellationToken ct)
    {
        long bytes = 0;
        try
        {
            var content = item.Blob is { } blob ? store.Blobs.OpenRead(blob) : store.Objects.OpenRead(item.Object);
            // Collected meanwhile.
            if (content is null)
                return (true, 0);
            await using var ended = content.ConfigureAwait(false);
            using var sha256 = item.Blob is null ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var hasher = item.Blob is null ? new ObjectHasher(item.Object.Hash.Algorithm) : null;
            for (int read; (read = await content.ReadAsync(buffer, ct).ConfigureAwait(false)) > 0; bytes += read)
            {
                sha256?.AppendData(buffer.AsSpan(0, read));
                hasher?.Append(buffer.AsSpan(0, read));
            }

            return (sha256 is not null ? Convert.ToHexStringLower(sha256.GetHashAndReset()) == item.Blob : hasher!.Finish() == item.Object.Hash, bytes);
        }
        catch (IOException)
        {
            // The disk cannot read it any more.
            return (false, bytes);
        }
    }

    private static IEnumerable<StoreItem> All(RepositoryStore store)
    {
        string data = Path.Combine(store.Layout.RepositoryFolder(store.Format.Repository), "data");
        for (int i = 0; i < 256; i++)
        {
            string folder = i.ToString("x2", CultureInfo.InvariantCulture);
            foreach (string file in Directory.EnumerateFiles(Path.Combine(data, folder)))
            {
                if (ObjectName.TryParsePath($"data/{folder}/{Path.GetFileName(file)}", out ObjectName name) && name.Hash.Algorithm == store.Format.HashAlgorithm)
                    yield return StoreItem.Of(name);
            }
        }

        foreach (string digest in store.Blobs.List().Where(BlobFolder.IsDigest))
            yield return StoreItem.OfBlob(digest);
    }
}
