using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Verify.Running;

namespace CvmfsNix.Cluster.Verify.Objects;

/// <summary>Reads objects whole, hashing what is stored and inflating it, with a limit on both. Thread-safe.</summary>
internal sealed class ObjectReader(VerifyRun run)
{
    private const int BufferBytes = 128 * 1024;

    // A zlib stream of many small blocks is longer than its content, but not by this much.
    private const int StoredOverhead = 1024 * 1024;

    /// <summary>Reads an object.</summary>
    /// <param name="name">The object.</param>
    /// <param name="compression">How it is stored.</param>
    /// <param name="contentMax">Most bytes of content; beyond, reading ends.</param>
    /// <param name="sink">Where content goes, emptied first; null drops it.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public Task<ObjectCheck> ReadAsync(ObjectName name, CompressionAlgorithm compression, long contentMax, Stream? sink, CancellationToken cancellationToken) =>
        run.AskAsync(token => ReadOnceAsync(name, compression, contentMax, sink, token), cancellationToken);

    /// <summary>Reads a small object into memory.</summary>
    public async Task<(ObjectCheck Check, byte[] Content)> ReadSmallAsync(ObjectName name, int contentMax, CancellationToken cancellationToken)
    {
        using var content = new MemoryStream();
        ObjectCheck check = await ReadAsync(name, CompressionAlgorithm.Zlib, contentMax, content, cancellationToken).ConfigureAwait(false);
        return (check, content.ToArray());
    }

    private async Task<ObjectCheck> ReadOnceAsync(ObjectName name, CompressionAlgorithm compression, long contentMax, Stream? sink, CancellationToken cancellationToken)
    {
        sink?.SetLength(0);
        Stream? opened = await run.Source.OpenAsync(name.RelativePath, cancellationToken).ConfigureAwait(false);
        if (opened is null)
            return new ObjectCheck(name, ObjectState.Missing, 0, 0, "The object is not there.");
        long storedMax = compression == CompressionAlgorithm.None ? contentMax : contentMax + contentMax / 2 + StoredOverhead;
        var stored = new DigestStream(opened, name.Hash.Algorithm, storedMax);
        await using (stored.ConfigureAwait(false))
        {
            byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(BufferBytes);
            try
            {
                long content = 0;
                string? broken = null;
                try
                {
                    Stream inflater = ObjectCompression.OpenDecompressor(stored, compression, leaveOpen: true);
                    await using (inflater.ConfigureAwait(false))
                    {
                        int count;
                        while (content <= contentMax && (count = await inflater.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                        {
                            content += count;
                            if (sink is not null && content <= contentMax)
                                await sink.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                        }
                    }
                }
                catch (ObjectCorruptException e)
                {
                    broken = e.What;
                }

                bool isTooLong = content > contentMax;
                // A wrong digest says more than a stream that ends badly, and only all the bytes tell.
                while (await stored.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) > 0)
                {
                }

                return Judge(name, compression, stored, content, contentMax, broken, isTooLong || stored.IsOverLimit);
            }
            finally
            {
                System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
                run.ReadBytes(stored.Count);
            }
        }
    }

    private static ObjectCheck Judge(ObjectName name, CompressionAlgorithm compression, DigestStream stored, long content, long contentMax, string? broken, bool isTooLong)
    {
        ObjectHash digest = stored.Finish();
        if (!stored.IsOverLimit && digest != name.Hash)
            return new ObjectCheck(name, ObjectState.WrongDigest, stored.Count, content, $"The {stored.Count} stored bytes have the digest {digest}.");
        if (isTooLong)
            return new ObjectCheck(name, ObjectState.TooLong, stored.Count, content, $"The content is longer than {contentMax} bytes.");
        bool isOdd = stored.Count == 0 || (broken is null && digest != ObjectHasher.Hash(digest.Algorithm, ObjectCompression.Empty));
        if (compression == CompressionAlgorithm.Zlib && contentMax == 0 && isOdd)
            return new ObjectCheck(name, ObjectState.OddEmpty, stored.Count, 0, $"Empty content is stored as {stored.Count} bytes, not as {Convert.ToHexStringLower(ObjectCompression.Empty)}.");
        return broken is null
            ? new ObjectCheck(name, ObjectState.Sound, stored.Count, content, "")
            : new ObjectCheck(name, ObjectState.Broken, stored.Count, content, $"The stored bytes are no zlib stream: {broken}.");
    }
}
