using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>Copies to <paramref name="copy"/> what is read from <paramref name="source"/>; owns neither.</summary>
public sealed class TeeReadStream(Stream source, Stream copy) : ForwardReadStream
{
    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        await copy.WriteAsync(buffer[..read], cancellationToken).ConfigureAwait(false);
        return read;
    }
}
