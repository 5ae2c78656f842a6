using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>Gets verified content out of a source.</summary>
internal sealed class ObjectFetcher(IRepositorySource source)
{
    /// <summary>Opens an object's content.</summary>
    /// <param name="name">The object.</param>
    /// <param name="compression">How it is stored.</param>
    /// <param name="size">Exact bytes of content, where known.</param>
    /// <param name="sizeMax">Most bytes of content, where not.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="ObjectMissingException">Not in the source.</exception>
    public async Task<Stream> OpenAsync(ObjectName name, CompressionAlgorithm compression, long? size, long sizeMax, CancellationToken cancellationToken)
    {
        var stored = await source.OpenAsync(name.RelativePath, cancellationToken).ConfigureAwait(false) ?? throw new ObjectMissingException(name, source.Description);
        return new ObjectContentStream(name, stored, source.Description, compression, size, sizeMax);
    }

    /// <summary>A small object's content whole, up to the limit stock clients have.</summary>
    public async Task<byte[]> ReadSmallAsync(ObjectName name, CancellationToken cancellationToken)
    {
        var content = await OpenAsync(name, CompressionAlgorithm.Zlib, null, SignedText.LengthMax, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false)) return await ReadAllAsync(content, name.ToString(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A small named file whole; null when it is not there. Longer than a client takes counts as a failure of the source.</summary>
    public async Task<byte[]?> ReadNamedAsync(string relativePath, CancellationToken cancellationToken)
    {
        var content = await source.OpenAsync(relativePath, cancellationToken).ConfigureAwait(false);
        if (content is null) return null;
        await using (content.ConfigureAwait(false))
        {
            try
            {
                return await ReadAllAsync(content, relativePath, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException e) when (e is not RepositoryUnreachableException)
            {
                throw new RepositoryUnreachableException($"{relativePath} cannot be read from {source.Description}: {e.Message}", e);
            }
        }
    }

    /// <summary>Writes an inflated database to a file, which is removed again on failure.</summary>
    public async Task UnpackAsync(ObjectName name, long? size, long sizeMax, string file, CancellationToken cancellationToken)
    {
        var content = await OpenAsync(name, CompressionAlgorithm.Zlib, size, sizeMax, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            try
            {
                var target = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None);
                await using (target.ConfigureAwait(false)) await content.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                File.Delete(file);
                throw;
            }
        }
    }

    private static async Task<byte[]> ReadAllAsync(Stream content, string what, CancellationToken cancellationToken)
    {
        using var whole = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int count;
        while ((count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            whole.Write(buffer, 0, count);
            if (whole.Length > SignedText.LengthMax) throw new RepositoryUnreachableException($"{what} is longer than the {SignedText.LengthMax} bytes a client takes.");
        }

        return whole.ToArray();
    }
}
