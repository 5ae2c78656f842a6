using System.Buffers;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// What a repository's store does for another store: says what it has, gives it and takes it. All of it is named by content, so taking the same
/// again changes nothing, and nothing is believed but the bytes. Thread-safe.
/// </summary>
public sealed class StoreTransfer(RepositoryStore store)
{
    private const int SmallBytes = 256 * 1024;

    /// <summary>Those that are not here, in the order given; on return all others survive a power loss.</summary>
    /// <exception cref="IOException">A directory cannot be made durable.</exception>
    public async Task<IReadOnlyList<StoreItem>> ConfirmDurableAsync(IReadOnlyCollection<StoreItem> items, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(items);
        HashSet<ObjectName> objects = [.. await store.Objects.ConfirmDurableAsync(items.Where(i => i.Blob is null).Select(i => i.Object), cancellationToken).ConfigureAwait(false)];
        HashSet<string> blobs = [.. await store.Blobs.ConfirmDurableAsync(items.Select(i => i.Blob).OfType<string>()).ConfigureAwait(false)];
        return objects.Count + blobs.Count == 0 ? [] : [.. items.Where(i => i.Blob is { } blob ? blobs.Contains(blob) : objects.Contains(i.Object))];
    }

    /// <summary>Those that are not here, in the order given; the others need not be durable.</summary>
    public IReadOnlyList<StoreItem> FindMissing(IEnumerable<StoreItem> items) => [.. items.Where(i => !Contains(i))];

    /// <summary>Whether it is here.</summary>
    public bool Contains(StoreItem item) => item.Blob is { } blob ? store.Blobs.Contains(blob) : store.Objects.Contains(item.Object);

    /// <summary>Its bytes; 0 when it is not here.</summary>
    public long Size(StoreItem item) => (item.Blob is { } blob ? store.Blobs.Size(blob) : store.Objects.StoredSize(item.Object)) ?? 0;

    /// <summary>Writes an item pack of what is here; what is not is left out.</summary>
    public Task SendAsync(IEnumerable<StoreItem> items, Stream destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(items);
        return SendAsync(items.Select(i => new WantedItem(i)), null, destination, cancellationToken);
    }

    /// <summary>Writes an item pack of what is here, as patches where the asker has a base and it pays; what is not here is left out.</summary>
    /// <param name="items">What is asked for.</param>
    /// <param name="patches">Makes the patches; null = none are made.</param>
    /// <param name="destination">Gets the pack.</param>
    /// <param name="cancellationToken">Gives up in the middle.</param>
    public async Task SendAsync(IEnumerable<WantedItem> items, PatchCache? patches, Stream destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(items);
        var pack = new ItemPackWriter(destination);
        foreach (WantedItem wanted in items)
        {
            StoreItem item = wanted.Item;
            Stream? content = item.Blob is { } blob ? store.Blobs.OpenRead(blob) : store.Objects.OpenRead(item.Object);
            if (content is null)
                continue;
            await using (content.ConfigureAwait(false))
            {
                if (patches is not null && wanted.Base is { } known && await patches.FindAsync(known, item.Object, cancellationToken).ConfigureAwait(false) is { } steps)
                    await pack.WritePatchAsync(item.Object, content.Length, content, known, steps, cancellationToken).ConfigureAwait(false);
                else
                    await pack.WriteAsync(item, content.Length, content, cancellationToken).ConfigureAwait(false);
            }
        }

        await pack.FinishAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes an item pack; on return all of it is durable. On an error no object of it was taken.</summary>
    /// <returns>Items in the pack.</returns>
    /// <exception cref="PackFormatException">The pack is damaged or truncated.</exception>
    /// <exception cref="InvalidDataException">An item's bytes are not those of its name.</exception>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    public async Task<int> ReceiveAsync(Stream source, CancellationToken cancellationToken)
    {
        using var pack = new ItemPackReader(source);
        int items = 0;
        ObjectBatch batch = store.Objects.BeginBatch();
        await using (batch.ConfigureAwait(false))
        {
            while (await pack.ReadAsync(cancellationToken).ConfigureAwait(false) is var (item, size, content))
            {
                items++;
                if (item.Blob is { } blob)
                    await store.Blobs.PutAsync(blob, stream => content.CopyToAsync(stream, cancellationToken), cancellationToken).ConfigureAwait(false);
                else
                    await TakeAsync(batch, item.Object, size, content, cancellationToken).ConfigureAwait(false);
            }

            await batch.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        return items;
    }

    private async Task TakeAsync(ObjectBatch batch, ObjectName name, long size, Stream content, CancellationToken cancellationToken)
    {
        if (name.Hash.Algorithm != store.Format.HashAlgorithm)
            throw new InvalidDataException($"{name} is named by {name.Hash.Algorithm}, the repository names objects by {store.Format.HashAlgorithm}.");
        ObjectName actual;
        if (size > SmallBytes)
        {
            actual = await batch.AddAsync(name.Kind, content, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)size);
            try
            {
                await content.ReadExactlyAsync(buffer.AsMemory(0, (int)size), cancellationToken).ConfigureAwait(false);
                actual = await batch.AddAsync(name.Kind, buffer.AsMemory(0, (int)size), cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        if (actual != name)
            throw new InvalidDataException($"The bytes that came as {name} are those of {actual}.");
    }
}
