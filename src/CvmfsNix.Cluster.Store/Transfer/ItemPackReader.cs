using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// Reads an item pack from a stream it does not own: strictly and with bounded memory, whatever the bytes. It checks the frames; whether
/// the bytes fit the name is for the caller to check. Not thread-safe.
/// </summary>
/// <param name="source">Where the pack comes from.</param>
/// <param name="openBase">Opens an object that a patch is made of, seekable; null for one that is not there. Without it patches are refused.</param>
public sealed class ItemPackReader(Stream source, Func<ObjectName, Stream?>? openBase = null)
    : FramedReader(source, "item pack", ItemPackFrame.Magic, ItemPackFrame.LargestFrame, long.MaxValue), IDisposable
{
    private PatchedContent? _patched;

    /// <summary>
    /// The next item, or null at the proper end. What was not read of the content before is skipped. The content is valid until the next call
    /// and throws <see cref="PackFormatException"/> when the pack is truncated inside it.
    /// </summary>
    /// <exception cref="PackFormatException">The bytes are no item pack, a damaged or a truncated one.</exception>
    public async ValueTask<(StoreItem Item, long Size, Stream Content)?> ReadAsync(CancellationToken cancellationToken)
    {
        Dispose();
        if (await NextAsync(cancellationToken).ConfigureAwait(false) is not { } mark)
            return null;
        switch (mark)
        {
            case ItemPackFrame.ObjectMark:
            {
                long at = await FrameAsync(ItemPackFrame.ObjectSize, cancellationToken).ConfigureAwait(false);
                Check(ItemPackFrame.TryReadObject(Frame, out StoreItem item, out long size), at);
                return (item, size, Open(item.ToString(), at, size));
            }

            case ItemPackFrame.BlobMark:
            {
                long at = await FrameAsync(ItemPackFrame.BlobSize, cancellationToken).ConfigureAwait(false);
                Check(ItemPackFrame.TryReadBlob(Frame, out StoreItem item, out long size), at);
                return (item, size, Open(item.ToString(), at, size));
            }

            case ItemPackFrame.PatchMark:
            {
                long at = await FrameAsync(ItemPackFrame.PatchSize, cancellationToken).ConfigureAwait(false);
                Check(ItemPackFrame.TryReadPatch(Frame, out StoreItem item, out long size, out ObjectName baseName, out long length), at);
                Stream opened = openBase?.Invoke(baseName) ?? throw new PackFormatException(at, $"{item} comes as a patch of {baseName}, which is not here or was not named.");
                _patched = new PatchedContent(Open(item.ToString(), at, length), opened, at, item.ToString(), size);
                return (item, size, _patched);
            }

            default:
                throw Unknown("an item");
        }
    }

    /// <summary>Closes what the last patch was made of.</summary>
    public void Dispose()
    {
        _patched?.Dispose();
        _patched = null;
    }

    private static void Check(string? problem, long at)
    {
        if (problem is not null)
            throw new PackFormatException(at, problem + ".");
    }
}
